/**
 * What users get, tried as they get it: packs the project, installs the tarball into an empty project, and runs it
 * there. Plain Node, no dependencies; needs the compiled hub (`npm run smoke` makes it).
 *
 *     node test/packaging/smoke/packed.mjs [NODE…]
 *
 * NODE is the path of a node binary to run the installed program with; this one, if none is named.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

const root = resolve(import.meta.dirname, '../../..');
const isWindows = process.platform === 'win32';
const MAX_PACKED_BYTES = 650_000;
const REPO = 'TheBloke/Mistral-7B-Instruct-v0.1-GPTQ';
const BRANCH = 'gptq-8bit-32g-actorder_True';
const DIRECTORY = `Mistral-7B-Instruct-v0.1-GPTQ_${BRANCH}`;
const EXPORTS = [
  'FetchError',
  'createEnvironment',
  'download',
  'listBranches',
  'parseTarget',
  'plan',
  'readLocks',
  'readVariables',
  'serve',
  'verify',
];

const nodes = process.argv.length > 2 ? process.argv.slice(2) : [process.execPath];
const scratch = mkdtempSync(join(tmpdir(), 'fetch-smoke-'));
const project = join(scratch, 'project');
mkdirSync(project);
let hub;
try {
  const tarball = pack();
  install(tarball);
  hub = await startHub();
  for (const node of nodes) await tryWith(node);
  console.log(`smoke: ${nodes.length} of ${nodes.length} versions of Node passed`);
} finally {
  hub?.child.kill();
  rmSync(scratch, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}

function pack() {
  const told = npm(['pack', '--json', '--pack-destination', scratch], root);
  // The build that npm runs first prints as well; the report is the last thing on stdout.
  const [report] = JSON.parse(told.slice(told.indexOf('[\n')));
  const paths = report.files.map((file) => file.path);
  const strange = paths.filter(
    (path) =>
      !/^(dist\/(.+\.(js|d\.ts)|cli\/package\.json|LICENSES\.txt)|README\.md|LICENSE|fetch\.1|package\.json)$/.test(
        path,
      ),
  );
  assert.deepEqual(strange, [], 'only dist, fetch.1, README.md, LICENSE and package.json are packed');
  const tests = paths.filter((path) => /(^|\/)tests?\/|\.test\./.test(path));
  assert.deepEqual(tests, [], 'no test is packed');
  for (const needed of [
    'README.md',
    'LICENSE',
    'fetch.1',
    'package.json',
    'dist/index.d.ts',
    'dist/cli/main.js',
  ]) {
    assert.ok(paths.includes(needed), `${needed} is packed`);
  }
  assert.ok(report.size < MAX_PACKED_BYTES, `${report.size} bytes packed are below ${MAX_PACKED_BYTES}`);
  console.log(
    `smoke: ${paths.length} files, ${report.size} bytes packed, ${report.unpackedSize} bytes unpacked`,
  );
  return join(scratch, report.filename);
}

function install(tarball) {
  npm(['init', '--yes', '--init-type', 'module'], project);
  npm(['install', '--no-audit', '--no-fund', '--prefer-offline', tarball], project);
  const script = join(project, 'node_modules/hub-fetch/dist/cli/main.js');
  for (const name of ['fetch', 'hub-fetch']) {
    const bin = join(project, 'node_modules/.bin', isWindows ? `${name}.cmd` : name);
    assert.ok(existsSync(bin), `there is a command called ${name}`);
  }
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const installed = readdirSync(join(project, 'node_modules')).filter((name) => !name.startsWith('.'));
  if (Object.keys(dependencies).length === 0)
    assert.deepEqual(installed, ['hub-fetch'], 'nothing else is installed');
  if (!isWindows) assert.equal(statSync(script).mode & 0o111, 0o111, 'the program is executable');
  assert.match(readFileSync(script, 'utf8'), /^#!\/usr\/bin\/env node\n/);
}

async function tryWith(node) {
  const version = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout?.trim();
  assert.ok(version, `${node} is a Node`);
  const place = mkdtempSync(join(scratch, 'run-'));
  const fetch = (...args) => runFetch(node, place, args);

  const { version: expected } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  expect(await fetch('--version'), { exit: 0, stdout: `${expected}\n`, stderr: '' });
  const help = await fetch('--help');
  assert.match(help.stdout, /^Usage: fetch .*--revision <rev>/s);
  expect(help, { exit: 0, stderr: '' });
  const wrong = await fetch('--no-such-option', REPO);
  expect(wrong, { exit: 2, stdout: '' });
  assert.match(wrong.stderr, /--no-such-option/);

  const target = join(place, DIRECTORY);
  const command = [REPO, '--revision', BRANCH];
  // The deadline comes in the middle; what there is by then is kept.
  for (const deadline of ['1.5', '2.5', '3.5']) {
    const cut = await fetch(...command, '--timeout', deadline);
    expect(cut, { exit: 6, stdout: '' });
    // A busy machine may need longer to begin.
    if (cut.stderr.includes(' kept ')) break;
  }
  assert.ok(!existsSync(join(target, 'model.safetensors')), 'half a file has not got its name');
  const resumed = await fetch(...command, '--json');
  const events = resumed.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(resumed, { exit: 0 });
  const done = events.at(-1);
  assert.equal(done.event, 'done');
  assert.equal(done.path, target);
  assert.ok(done.fetched < done.bytes, `${done.fetched} of ${done.bytes} bytes were left to fetch`);
  checkManifest(target);
  const again = await fetch(...command, '--quiet');
  expect(again, { exit: 0, stdout: `${target}\n`, stderr: '' });
  await checkImport(node);
  console.log(
    `smoke: Node ${version}: commands, download, resume (${done.fetched} of ${done.bytes} bytes), import`,
  );
}

function checkManifest(target) {
  const { files } = JSON.parse(readFileSync(join(target, '.cache/fetch/manifest.json'), 'utf8'));
  for (const { path, size, sha256 } of files) {
    const bytes = readFileSync(join(target, path));
    assert.equal(bytes.length, size, path);
    assert.equal(createHash('sha256').update(bytes).digest('hex'), sha256, path);
  }
  const found = readdirSync(target).filter((name) => name !== '.cache');
  assert.deepEqual(found.sort(), files.map((file) => file.path).sort());
}

async function checkImport(node) {
  const program = "import('hub-fetch').then((all) => console.log(JSON.stringify(Object.keys(all).sort())))";
  const told = await run(node, ['--input-type=module', '-e', program], { cwd: project });
  expect(told, { exit: 0, stdout: `${JSON.stringify(EXPORTS)}\n`, stderr: '' });
}

/** The installed command; as a person would start it where the system allows that without a shell. */
function runFetch(node, cwd, args) {
  const env = { ...process.env, HF_ENDPOINT: hub.origin, HF_HOME: join(scratch, 'home') };
  for (const name of ['HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN', 'NO_COLOR', 'FORCE_COLOR']) delete env[name];
  env.PATH = `${dirname(node)}${delimiter}${env.PATH ?? ''}`;
  if (isWindows) {
    return run(node, [join(project, 'node_modules/hub-fetch/dist/cli/main.js'), ...args], { cwd, env });
  }
  return run(join(project, 'node_modules/.bin/fetch'), args, { cwd, env });
}

async function run(file, args, options) {
  const child = spawn(file, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  const told = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) {
    child[name].setEncoding('utf8').on('data', (text) => {
      told[name] += text;
    });
  }
  const [exit] = await once(child, 'close');
  return { exit, ...told };
}

function expect(told, wanted) {
  for (const [name, value] of Object.entries(wanted)) {
    assert.deepEqual(
      told[name],
      value,
      `${name} of the run, which was ${JSON.stringify(told, undefined, 2)}`,
    );
  }
}

function npm(args, cwd) {
  // Started through npm there is a path to it; npm.cmd alone would need a shell on Windows.
  const script = process.env.npm_execpath;
  const [file, first] = script?.endsWith('.js') ? [process.execPath, [script]] : ['npm', []];
  const told = spawnSync(file, [...first, ...args], {
    cwd,
    encoding: 'utf8',
    shell: isWindows && first.length === 0,
    // npm tells its own children about the project it works on: this one must find out anew.
    env: { ...process.env, npm_config_local_prefix: '', INIT_CWD: cwd },
  });
  assert.equal(told.status, 0, `npm ${args.join(' ')}: ${told.stderr}${told.stdout}${told.error ?? ''}`);
  return told.stdout;
}

/** Slow enough for a deadline to fall in the middle of the weights. */
async function startHub() {
  const script = join(root, 'build/hub/main.js');
  const args = [script, '--fixture', 'mistral', '--scale', '0.004', '--bandwidth', '1000000'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(createInterface(child.stdout), 'line');
  return { child, origin: JSON.parse(line).origin };
}
