/**
 * Builds `dist/` where npm asks a source tree to get ready: `npm ci` and `npm install -g .` in a clone, `npm install`
 * of a git address, `npm pack`. What is installed from a tarball is built already, and runs no script.
 *
 * For a git address npm starts a second npm in a fresh clone, to install the tools of the build there. With `--global` that
 * one inherits the option (npm 8 to 11): it installs no tools into the clone, and links the clone, which is deleted
 * soon, to where the first npm is about to unpack the package. Both are put right here.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readFileSync, realpathSync, unlinkSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '..');

/** What the npm that started this was told about where and what to install. Here it is this directory, and everything. */
const ABOUT_OTHER_PLACES =
  /^npm_config_(global|location|(global_|local_)?prefix|omit|include|production|only|package_lock_only|dry_run|ignore_scripts)$/i;

const { name, dependencies, devDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const isComplete = Object.keys({ ...dependencies, ...devDependencies }).every((one) =>
  existsSync(join(ROOT, 'node_modules', one, 'package.json')),
);
if (!isComplete) npm('ci', '--include=dev', '--ignore-scripts', '--no-audit', '--no-fund');
npm('run', '--silent', 'build');
removeLinkToTemporaryClone();

function removeLinkToTemporaryClone() {
  const {
    npm_config_global_prefix: prefix,
    npm_config_cache: cache,
    _PACOTE_NO_PREPARE_: isSecondNpm,
  } = process.env;
  // The second npm is not done with its link yet; the first runs this script again before it packs the clone.
  if (prefix === undefined || cache === undefined || isSecondNpm !== undefined) return;
  const clones = join(cache, '_cacache', 'tmp');
  if (!basename(ROOT).startsWith('git-clone') || !isSame(dirname(ROOT), clones)) return;
  const modules = process.platform === 'win32' ? 'node_modules' : join('lib', 'node_modules');
  const link = join(prefix, modules, name);
  if (!isLink(link) || !isSame(link, ROOT)) return;
  unlinkSync(link);
  mkdirSync(link);
}

function npm(...args) {
  const script = process.env.npm_execpath;
  const [file, first] = script?.endsWith('.js') ? [process.execPath, [script]] : ['npm', []];
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !ABOUT_OTHER_PLACES.test(name)),
  );
  const { status, error } = spawnSync(file, [...first, ...args], {
    cwd: ROOT,
    env,
    // stdout belongs to the npm that started this: `npm pack --json` has its report there.
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32' && first.length === 0,
  });
  if (error !== undefined) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

function isLink(path) {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
}

function isSame(one, other) {
  return existsSync(one) && existsSync(other) && realpathSync(one) === realpathSync(other);
}
