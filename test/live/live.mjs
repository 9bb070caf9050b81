/**
 * Tries the built program against the real Hub: `npm run test:live`. Exit code 0 if every check passed, or if there is
 * no network; 1 if one failed. It downloads about 30 MB, asks some 60 times, and sends no token.
 *
 * FETCH_LIVE_ENDPOINT     another hub than https://huggingface.co
 * FETCH_LIVE_REPOSITORIES JSON: other repositories than those below, for such a hub
 *
 * Sizes, hashes, commits and names of branches are read from the hub's own API: none of them is written down here.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const ENDPOINT = process.env.FETCH_LIVE_ENDPOINT ?? 'https://huggingface.co';
const REPOSITORIES = {
  /** One with several branches of gigabytes: the one of the README. It is listed, not downloaded. */
  branches: 'TheBloke/Mistral-7B-Instruct-v0.1-GPTQ',
  /** A well-known repository; only its config.json is fetched. */
  known: 'openai-community/gpt2',
  /** Some 25 MB in all, with files of several megabytes in the Hub's big storage (LFS, Xet). */
  tiny: 'hf-internal-testing/tiny-random-gpt2',
  /** With tags or several branches, small files among theirs. The first one that has them is taken. */
  revisions: ['lysandre/arxiv-nlp', 'nomic-ai/gpt4all-j', 'EleutherAI/pythia-14m'],
  dataset: 'lhoestq/custom_squad',
  /** Its terms must be accepted first. */
  gated: 'meta-llama/Llama-2-7b-hf',
  ...JSON.parse(process.env.FETCH_LIVE_REPOSITORIES ?? '{}'),
};
const NETWORK_MS = 10_000;
const RUN_MS = 300_000;

const root = await mkdtemp(join(tmpdir(), 'fetch-live-'));
await mkdir(join(root, 'home'));

/** The program without the caller's variables: no token, no settings. */
function start(words, directory) {
  const { PATH, HTTPS_PROXY, https_proxy, NODE_EXTRA_CA_CERTS, SystemRoot } = process.env;
  const home = join(root, 'home');
  const env = {
    PATH,
    HTTPS_PROXY,
    https_proxy,
    NODE_EXTRA_CA_CERTS,
    SystemRoot,
    HOME: home,
    USERPROFILE: home,
  };
  const child = spawn(process.execPath, [PROGRAM, ...words, '--endpoint', ENDPOINT], {
    cwd: directory,
    env: Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined)),
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: RUN_MS,
  });
  const run = { child, stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text) => {
    run.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    run.stderr += text;
  });
  run.ended = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exit) => resolve({ exit, stdout: run.stdout, stderr: run.stderr }));
  });
  return run;
}

async function fetchRun(words, directory, expected = 0) {
  const run = await start(words, directory).ended;
  if (![expected].flat().includes(run.exit)) {
    throw new Error(
      `exit ${run.exit}, not ${expected}: fetch ${words.join(' ')}\n${run.stdout}${run.stderr}`,
    );
  }
  return run;
}

/** What the hub's own API says, asked without the program. */
async function api(path) {
  for (let attempt = 1; ; attempt += 1) {
    const response = await fetch(`${ENDPOINT}/api/${path}`, { signal: AbortSignal.timeout(60_000) });
    if (response.ok) return await response.json();
    if (attempt === 3) throw new Error(`the hub answers ${response.status} to ${path}`);
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
}

async function listing(repository, revision = 'main', kind = 'models') {
  const tree = await api(`${kind}/${repository}/tree/${encodeURIComponent(revision)}?recursive=true`);
  return tree.filter(({ type }) => type === 'file');
}

function assert(condition, message) {
  if (!condition) throw new Error(message);
}

const lastEvent = (stdout) => JSON.parse(stdout.trimEnd().split('\n').at(-1));

/** The hash that the hub lists: sha256 of what is in its big storage, git's own of everything else. */
async function assertContent(path, entry) {
  const bytes = await readFile(path);
  const git = createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
  const hash = entry.lfs === undefined ? git : createHash('sha256').update(bytes).digest('hex');
  const listed = entry.lfs === undefined ? entry.oid : entry.lfs.oid;
  assert(hash === listed, `${path}: the hash is ${hash}, the hub lists ${listed}`);
}

async function largestStored(repository) {
  const stored = (await listing(repository)).filter(({ lfs }) => lfs !== undefined);
  assert(stored.length > 0, `${repository} has no file in the big storage: name another repository`);
  return stored.reduce((best, file) => (file.size > best.size ? file : best));
}

/** Fetches one revision, by name, of the first repository that has such a one: its commit is that of the API. */
async function checkRevision(what, choose, directory) {
  const tried = [];
  for (const repository of REPOSITORIES.revisions) {
    const name = await api(`models/${repository}/refs`).then(
      choose,
      (error) => void tried.push(error.message),
    );
    if (name === undefined) continue;
    const { sha } = await api(`models/${repository}/revision/${encodeURIComponent(name)}`);
    const smallest = (await listing(repository, name)).toSorted((a, b) => a.size - b.size)[0];
    const words = [repository, smallest.path, '--revision', name, '--local-dir', 'out', '--json'];
    const done = lastEvent((await fetchRun(words, directory)).stdout);
    assert(done.event === 'done' && done.commit === sha, `the commit is ${done.commit}, the hub says ${sha}`);
    await assertContent(join(directory, 'out', smallest.path), smallest);
    return;
  }
  throw new Error([`no ${what} in ${REPOSITORIES.revisions.join(', ')}: name another`, ...tried].join('; '));
}

const CHECKS = {
  'branches: every one that the hub has is in the table': async (directory) => {
    const refs = await api(`models/${REPOSITORIES.branches}/refs`);
    const { stdout } = await fetchRun(['branches', REPOSITORIES.branches, '--json'], directory);
    const rows = JSON.parse(stdout).rows.map(({ revision }) => revision);
    const missing = refs.branches.filter(({ name }) => !rows.includes(name));
    assert(refs.branches.length > 1, 'the repository has one branch only: name another');
    assert(missing.length === 0, `missing: ${missing.map(({ name }) => name).join(', ')}`);
  },
  '--dry-run --json: the files and sizes of a branch are those of the hub': async (directory) => {
    const { branches } = await api(`models/${REPOSITORIES.branches}/refs`);
    const { name } = branches.find((branch) => branch.name !== 'main');
    const words = [REPOSITORIES.branches, '--revision', name, '--dry-run', '--json'];
    const planned = JSON.parse((await fetchRun(words, directory)).stdout).files;
    const list = (files) =>
      files
        .map(({ path, size }) => `${path} ${size}`)
        .toSorted()
        .join('\n');
    const listed = list(await listing(REPOSITORIES.branches, name));
    assert(list(planned) === listed, `planned:\n${list(planned)}\nlisted:\n${listed}`);
  },
  'a small file has the hash that the hub lists': async (directory) => {
    const entry = (await listing(REPOSITORIES.known)).find(({ path }) => path === 'config.json');
    const { stdout } = await fetchRun([REPOSITORIES.known, 'config.json', '--local-dir', 'out'], directory);
    await assertContent(stdout.trimEnd(), entry);
  },
  'a file of the big storage (LFS, Xet) has the hash that the hub lists': async (directory) => {
    const entry = await largestStored(REPOSITORIES.tiny);
    const { stdout } = await fetchRun([REPOSITORIES.tiny, entry.path, '--local-dir', 'out'], directory);
    await assertContent(stdout.trimEnd(), entry);
  },
  'a whole repository: every file; a second run fetches nothing; verify agrees': async (directory) => {
    const words = [REPOSITORIES.tiny, '--local-dir', 'out', '--json'];
    const first = lastEvent((await fetchRun(words, directory)).stdout);
    const files = await listing(REPOSITORIES.tiny);
    assert(first.files === files.length, `${first.files} files, the hub lists ${files.length}`);
    for (const entry of files) await assertContent(join(directory, 'out', entry.path), entry);
    const second = lastEvent((await fetchRun(words, directory)).stdout);
    assert(second.fetched === 0, `the second run fetched ${second.fetched} bytes`);
    await fetchRun(['verify', 'out'], directory);
  },
  'a killed run goes on where it was': async (directory) => {
    const entry = await largestStored(REPOSITORIES.tiny);
    const words = [REPOSITORIES.tiny, entry.path, '--local-dir', 'out', '--json'];
    const rate = String(Math.ceil(entry.size / 10));
    const run = start([...words, '--limit-rate', rate], directory);
    const enough = entry.size / 4;
    await new Promise((resolve, reject) => {
      run.child.stdout.on('data', () => {
        const events = run.stdout
          .split('\n')
          .slice(0, -1)
          .map((line) => JSON.parse(line));
        if (events.some(({ event, bytes }) => event === 'progress' && bytes >= enough)) resolve();
      });
      run.child.once('close', () =>
        reject(new Error(`ended before it was killed\n${run.stdout}${run.stderr}`)),
      );
    });
    run.child.kill('SIGKILL');
    await run.ended;
    const done = lastEvent((await fetchRun(words, directory)).stdout);
    assert(done.fetched < entry.size, `all ${done.fetched} bytes were fetched again`);
    await assertContent(join(directory, 'out', entry.path), entry);
  },
  'a tag': (directory) => checkRevision('tag', ({ tags }) => tags[0]?.name, directory),
  'a branch that is not main': (directory) =>
    checkRevision(
      'second branch',
      ({ branches }) => branches.find(({ name }) => name !== 'main')?.name,
      directory,
    ),
  'a dataset': async (directory) => {
    const files = await listing(REPOSITORIES.dataset, 'main', 'datasets');
    const smallest = files.toSorted((a, b) => a.size - b.size)[0];
    await fetchRun([`datasets/${REPOSITORIES.dataset}`, smallest.path, '--local-dir', 'out'], directory);
    await assertContent(join(directory, 'out', smallest.path), smallest);
  },
  'a repository that does not exist: exit 4, or 5 where the hub does not say': async (directory) => {
    await fetchRun(['fetch-live-test/no-such-repository', '--local-dir', 'out'], directory, [4, 5]);
  },
  'a branch that does not exist: exit 4': async (directory) => {
    await fetchRun([REPOSITORIES.known, '--revision', 'no-such-branch', '--local-dir', 'out'], directory, 4);
  },
  'a file that does not exist: exit 4': async (directory) => {
    await fetchRun([REPOSITORIES.known, 'no-such-file.json', '--local-dir', 'out'], directory, 4);
  },
  'a gated repository without a token: exit 5': async (directory) => {
    await fetchRun([REPOSITORIES.gated, '--include', '*.json', '--local-dir', 'out'], directory, 5);
  },
  'doctor: nothing fails, and what it measures is there': async (directory) => {
    const words = ['doctor', REPOSITORIES.tiny, '--json', '--record', 'doctor.json'];
    const { checks } = JSON.parse((await fetchRun(words, directory)).stdout);
    for (const { name, state, message, details } of checks) {
      console.log(`    ${state} ${name}: ${[message, ...details].join(' | ')}`);
    }
    for (const name of ['resolve', 'binding', 'ranges', 'first-byte', 'speed', 'content']) {
      const { state } = checks.find((check) => check.name === name);
      assert(state === 'ok' || state === 'warning', `${name} is ${state}`);
    }
    JSON.parse(await readFile(join(directory, 'doctor.json'), 'utf8'));
  },
};

/** Why the hub cannot be reached; undefined if it can. */
function whyNoNetwork() {
  const { hostname, port, protocol } = new URL(ENDPOINT);
  return new Promise((resolve) => {
    const socket = connect(
      Number(port) || (protocol === 'https:' ? 443 : 80),
      hostname.replace(/^\[|\]$/g, ''),
    );
    const end = (reason) => {
      socket.destroy();
      resolve(reason);
    };
    socket.once('connect', () => end(undefined));
    socket.once('error', ({ code, message }) => end(`${hostname}: ${code ?? message}`));
    socket.setTimeout(NETWORK_MS, () => end(`${hostname} did not answer within ${NETWORK_MS / 1000} s`));
  });
}

async function main() {
  const names = Object.keys(CHECKS);
  const reason = await whyNoNetwork();
  if (reason !== undefined) {
    console.log(`${names.length} skipped: no network (${reason})`);
    return 0;
  }
  let failed = 0;
  for (const [index, name] of names.entries()) {
    const directory = join(root, `check-${index + 1}`);
    await mkdir(directory);
    const began = performance.now();
    try {
      await CHECKS[name](directory);
      console.log(`ok      ${name} (${((performance.now() - began) / 1000).toFixed(1)} s)`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED  ${name}\n${error.message}`);
    }
  }
  console.log(`${names.length - failed} of ${names.length} passed against ${ENDPOINT}`);
  return failed === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} finally {
  await rm(root, { recursive: true, force: true, maxRetries: 3 });
}
