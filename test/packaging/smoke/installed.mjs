/**
 * Installs globally (`npm install -g`) as a stranger does: a clone that nothing was installed in, and the address of a
 * git repository. Tries the commands, upgrades, and uninstalls. The clone has what the working tree has.
 * Plain Node, no dependencies; skipped, with the reason, where npm does not get its packages.
 *
 *     node test/packaging/smoke/installed.mjs
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const root = resolve(import.meta.dirname, '../../..');
const isWindows = process.platform === 'win32';
const { name, version, bin, dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
/** What npm says when there is no network. */
const NO_NETWORK =
  /E(NOTFOUND|AI_AGAIN|CONNREFUSED|CONNRESET|TIMEDOUT|NETUNREACH|HOSTUNREACH)|ERR_SOCKET_TIMEOUT/;

class Skipped extends Error {}

const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'fetch-installed-')));
try {
  const clone = makeClone(join(scratch, 'clone'));
  installs(`git+${pathToFileURL(clone)}`, scratch, (installed) => {
    // Deleting the directory that npm had cloned into must take nothing away.
    assert.ok(!lstatSync(installed).isSymbolicLink(), 'it is a directory, and not a link to a clone of npm');
    const packages = existsSync(join(installed, 'node_modules'))
      ? readdirSync(join(installed, 'node_modules'))
      : [];
    for (const needed of Object.keys(dependencies))
      assert.ok(packages.includes(needed.split('/')[0]), needed);
    assert.ok(!packages.includes('typescript'), 'the tools of the build are not installed');
  });
  installs('.', clone, (installed) => assert.equal(realpathSync(installed), clone));
  console.log('installed: a git address and a clone, globally: commands, upgrade, removal');
} catch (error) {
  if (!(error instanceof Skipped)) throw error;
  console.log(`installed: skipped, npm gets no packages here: ${error.message}`);
} finally {
  rmSync(scratch, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}

/** A repository with one commit: all files that git knows here or would add, as they are now. */
function makeClone(directory) {
  mkdirSync(directory);
  const listed = git(root, 'ls-files', '-z', '--cached', '--others', '--exclude-standard');
  for (const path of listed.split('\0').filter((one) => one !== '' && existsSync(join(root, one)))) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    cpSync(join(root, path), join(directory, path), { verbatimSymlinks: true });
  }
  git(directory, 'init', '--quiet', '--initial-branch=main');
  git(directory, 'add', '--all');
  git(directory, '-c', 'user.name=test', '-c', 'user.email=test@localhost', 'commit', '--quiet', '-m', 'all');
  return directory;
}

/** Twice, since the second time it is an upgrade, and removes it. */
function installs(what, cwd, look) {
  const prefix = mkdtempSync(join(scratch, 'prefix-'));
  const installed = join(prefix, isWindows ? 'node_modules' : 'lib/node_modules', name);
  for (const _ of ['new', 'again']) {
    npm(cwd, 'install', '--global', '--prefix', prefix, '--no-audit', '--no-fund', '--prefer-offline', what);
    look(installed);
    for (const command of Object.keys(bin)) {
      const [file, first] = commandOf(prefix, installed, command);
      const told = spawnSync(file, [...first, '--version'], { cwd: scratch, encoding: 'utf8' });
      assert.deepEqual(
        [told.status, told.stdout, told.stderr],
        [0, `${version}\n`, ''],
        `${what}: ${command}`,
      );
    }
  }
  npm(cwd, 'uninstall', '--global', '--prefix', prefix, name);
  assert.ok(!existsSync(installed), `${what}: it can be removed`);
}

/** Windows would need a shell for the command itself. */
function commandOf(prefix, installed, command) {
  if (!isWindows) return [join(prefix, 'bin', command), []];
  assert.ok(existsSync(join(prefix, `${command}.cmd`)), command);
  return [process.execPath, [join(installed, bin[command])]];
}

function git(cwd, ...args) {
  const { status, stdout, stderr, error } = spawnSync('git', args, { cwd, encoding: 'utf8', maxBuffer: 1e8 });
  if (error !== undefined) throw new Skipped('there is no git');
  assert.equal(status, 0, `git ${args.join(' ')}: ${stderr}`);
  return stdout;
}

function npm(cwd, ...args) {
  const script = process.env.npm_execpath;
  const [file, first] = script?.endsWith('.js') ? [process.execPath, [script]] : ['npm', []];
  // A person's shell knows nothing of the npm that may have started this.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(
      ([one]) => !/^(npm_(package|lifecycle|command|config_(local_prefix|prefix|global))|INIT_CWD)/.test(one),
    ),
  );
  const told = spawnSync(file, [...first, ...args], {
    cwd,
    env,
    encoding: 'utf8',
    shell: isWindows && first.length === 0,
  });
  if (told.status === 0) return;
  const said = `${told.stderr}${told.stdout}${told.error ?? ''}`;
  const [reason] = NO_NETWORK.exec(said) ?? [];
  if (reason !== undefined) throw new Skipped(reason);
  assert.fail(`npm ${args.join(' ')}: ${said}`);
}
