/**
 * The steps of the Dockerfile, tried in a plain shell: its directories are made below a temporary one, COPY copies, RUN runs
 * with a shell, and in the end the program is started as the user of the image, if this is run by root. Needs the
 * compiled hub (`npm run smoke:image` makes it). What it cannot try are the images themselves.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { readDockerfile } from '../../support/dockerfile.mjs';

const root = resolve(import.meta.dirname, '../../..');
const isRoot = process.getuid() === 0;
const REPO = 'TheBloke/Mistral-7B-Instruct-v0.1-GPTQ';

const image = mkdtempSync(join(tmpdir(), 'fetch-image-'));
let hub;
try {
  // The user of the image has to get in.
  chmodSync(image, 0o755);
  for (const directory of ['usr/local/bin', 'opt', 'tmp', 'home'])
    mkdirSync(join(image, directory), { recursive: true });
  chmodSync(join(image, 'tmp'), 0o1777);
  const { user, directory, entry, command } = build(
    readDockerfile(readFileSync(join(root, 'Dockerfile'), 'utf8')),
  );
  onlyWhatIsNeeded(join(image, 'opt/fetch'));
  hub = await startHub();
  await tryAs(user, directory, entry, command);
} finally {
  hub?.child.kill();
  rmSync(image, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}

/** Absolute paths of the image, in a text of whatever kind. */
function inImage(text) {
  return text.replaceAll(/(?<![\w.}])\/(build|opt|usr|models)\b/g, `${image}/$1`);
}

function build(steps) {
  let directory = image;
  let user = '0:0';
  let entry = [];
  let command = [];
  for (const { word, rest } of steps) {
    if (word === 'WORKDIR') {
      directory = inImage(rest);
      mkdirSync(directory, { recursive: true });
    } else if (word === 'COPY' && !rest.startsWith('--from')) copy(rest.split(' '), directory);
    else if (word === 'RUN') shell(inImage(rest), directory);
    else if (word === 'USER') user = rest;
    else if (word === 'ENTRYPOINT') entry = JSON.parse(rest);
    else if (word === 'CMD') command = JSON.parse(rest);
    // Both stages are below the same directory here, so what one takes from the other is there.
    else assert.ok(['FROM', 'ARG', 'COPY'].includes(word), `no way to try ${word}`);
  }
  return { user, directory, entry, command };
}

/** As COPY does it: several files go into a directory, and of a directory its contents. */
function copy(words, directory) {
  const target = resolve(directory, words.at(-1));
  for (const name of words.slice(0, -1)) {
    const source = join(root, name);
    cpSync(source, statSync(source).isDirectory() ? target : join(target, name), { recursive: true });
  }
}

function shell(script, cwd) {
  console.log(`image: ${script}`);
  // Only root can change the owner of files; for other users they keep theirs.
  const before = isRoot ? '' : 'chown() { :; }; ';
  const { PATH, npm_config_registry, npm_config_cache } = process.env;
  const env = {
    PATH,
    HOME: join(image, 'home'),
    npm_config_registry,
    npm_config_cache,
    npm_config_prefer_offline: 'true',
  };
  const told = spawnSync('sh', ['-ec', before + script], { cwd, encoding: 'utf8', env: withoutHoles(env) });
  assert.equal(told.status, 0, `${script}: ${told.stderr}${told.stdout}`);
}

function withoutHoles(record) {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined));
}

function onlyWhatIsNeeded(directory) {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const needed = Object.entries(packages)
    .filter(([path, { dev, optional }]) => path !== '' && !dev && !optional)
    .map(([path]) => path);
  // npm makes none where there is nothing to install.
  const list = join(directory, 'node_modules/.package-lock.json');
  const { packages: installed } = existsSync(list)
    ? JSON.parse(readFileSync(list, 'utf8'))
    : { packages: {} };
  assert.deepEqual(Object.keys(installed).sort(), needed.sort(), 'the production dependencies of the lock');
  for (const [path, { version }] of Object.entries(installed)) assert.equal(version, packages[path].version);
  for (const name of ['src', 'test'])
    assert.ok(!readdirSync(directory).includes(name), `there is no ${name}`);
  console.log(`image: ${needed.length} packages, ${Math.round(sizeOf(directory) / 1000)} kB`);
}

function sizeOf(directory) {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

async function tryAs(user, directory, [name, ...first], command) {
  const [uid, gid] = user.split(':').map(Number);
  assert.ok(uid > 0 && gid > 0, 'the user of the image is not root');
  const run = (words, more = {}) => {
    const env = { PATH: `${image}/usr/local/bin:${process.env.PATH}`, HOME: join(image, 'nobody'), ...more };
    const as = isRoot ? { uid, gid } : {};
    return started(name, [...first, ...words], { cwd: directory, env, ...as });
  };
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  assert.deepEqual(await run(['--version']), { exit: 0, stdout: `${version}\n`, stderr: '' });
  const help = await run(command);
  assert.match(help.stdout, /^Usage: fetch /);
  const done = await run([REPO, '--quiet'], { HF_ENDPOINT: hub.origin });
  const target = join(directory, 'Mistral-7B-Instruct-v0.1-GPTQ');
  assert.deepEqual(done, { exit: 0, stdout: `${target}\n`, stderr: '' });
  if (isRoot) assert.equal(statSync(join(target, 'config.json')).uid, uid);
  const whole = await run(['verify', target, '--quiet']);
  assert.deepEqual(whole, { exit: 0, stdout: `${target}\n`, stderr: '' });
  console.log(`image: version, help, a download and its check as ${isRoot ? user : 'oneself'}`);
}

async function started(file, words, options) {
  const child = spawn(file, words, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  const told = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) {
    child[name].setEncoding('utf8').on('data', (text) => {
      told[name] += text;
    });
  }
  const [exit] = await once(child, 'close');
  return { exit, ...told };
}

async function startHub() {
  const args = [join(root, 'build/hub/main.js'), '--fixture', 'mistral', '--scale', '0.0005'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(createInterface(child.stdout), 'line');
  return { child, origin: JSON.parse(line).origin };
}
