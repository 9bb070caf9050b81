import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { generated } from '../support/hub/content/content.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { gitFile, lfsFile, xetFile } from '../support/hub/repositories/file.ts';
import { PROGRAM, type Run, Workspace } from '../support/run-program.ts';

/** Only `script` of util-linux takes a command this way; that of BSD and macOS does not. */
const hasTerminal =
  spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout?.includes('util-linux') === true;

const ID = 'tests/cached';
const DIRECTORY = 'models--tests--cached';

/** What `expected/cache-0.1.0` was made of. */
const CACHE_OF_0_1_0 = {
  id: 'tests/kept',
  branches: {
    main: [gitFile('config.json', '{"kept": true}\n'), lfsFile('sub/model.bin', generated('kept', 3000))],
    'v/2': [
      gitFile('config.json', '{"kept": true}\n'),
      lfsFile('sub/model.bin', generated('kept too', 3000)),
    ],
  },
};

let hub: Hub;
let workspace: Workspace;

beforeEach(async () => {
  const shared = [gitFile('config.json', '{}\n'), lfsFile('tokenizer.model', generated('shared', 50_000))];
  const weights = (seed: string) => xetFile('sub/model.safetensors', generated(seed, 2_000_000));
  hub = await startHub({
    repositories: [
      {
        id: ID,
        branches: { main: [...shared, weights('main')], 'gptq/8bit': [...shared, weights('other')] },
      },
      { id: 'tests/other', branches: { main: [gitFile('README.md', '# Other\n')] } },
    ],
  });
  workspace = await Workspace.open({ endpoint: hub.origin });
});

afterEach(async () => {
  await workspace[Symbol.asyncDispose]();
  await hub.close();
});

const run = (...words: string[]): Promise<Run> => workspace.run([...words, '--cache-dir', 'cache']);
const inCache = (...names: string[]): string => workspace.path('cache', ...names);
const commit = (revision: string): string => hub.repository(ID).commitOf(revision).id;
const blobs = (): string[] => readdirSync(inCache(DIRECTORY, 'blobs'));

async function bring(...revisions: string[]): Promise<void> {
  for (const revision of revisions) expect((await run(ID, '--revision', revision, '-q')).exit).toBe(0);
}

describe('where the cache is', () => {
  const cases: [string, Record<string, string>, string[], string][] = [
    ['HF_HUB_CACHE', { HF_HUB_CACHE: '/work/a', HF_HOME: '/work/b' }, ['--cache'], 'a'],
    ['HUGGINGFACE_HUB_CACHE', { HUGGINGFACE_HUB_CACHE: '/work/a', HF_HOME: '/work/b' }, ['--cache'], 'a'],
    ['HF_HOME', { HF_HOME: '/work/b', XDG_CACHE_HOME: '/work/c' }, ['--cache'], 'b/hub'],
    ['XDG_CACHE_HOME', { XDG_CACHE_HOME: '/work/c' }, ['--cache'], 'c/huggingface/hub'],
    ['--cache-dir', { HF_HUB_CACHE: '/work/a' }, ['--cache', '--cache-dir', 'd'], 'd'],
  ];
  test.each(cases)('%s', async (_name, variables, words, place) => {
    const env = Object.fromEntries(
      Object.entries(variables).map(([name, path]) => [name, path.replace('/work', workspace.directory)]),
    );
    const { stdout, exit } = await workspace.run(['tests/other', ...words, '-q'], { env });
    expect(exit).toBe(0);
    const id = hub.repository('tests/other').commitOf('main').id;
    expect(stdout).toBe(`${workspace.path(place, 'models--tests--other', 'snapshots', id)}\n`);
  });

  test('is the home without any of them', async () => {
    const { stdout } = await workspace.run(['tests/other', 'README.md', '--cache', '-q']);
    const place = join(workspace.home, '.cache/huggingface/hub/models--tests--other/snapshots/');
    expect(stdout.startsWith(place)).toBe(true);
    expect(stdout.endsWith('/README.md\n')).toBe(true);
    expect(readFileSync(stdout.trim(), 'utf8')).toBe('# Other\n');
  });

  test('and a directory are two places', async () => {
    const { exit, stderr } = await workspace.run([ID, '--cache', '--local-dir', 'x']);
    expect(exit).toBe(2);
    expect(stderr).toContain('--local-dir and --cache name two places');
    expect(readdirSync(workspace.directory)).toEqual([]);
  });
});

describe('a download into the cache', () => {
  test('says where it goes, and a second one asks for no file', async () => {
    const first = await run(ID);
    expect(first.exit).toBe(0);
    const snapshot = inCache(DIRECTORY, 'snapshots', commit('main'));
    expect(first.stdout).toBe(`${snapshot}\n`);
    expect(first.stderr).toContain(`fetch: into ${snapshot}\n`);
    hub.log.clear();
    const second = await run(ID);
    expect(second.stderr).toContain('already here: 3 files, 2.05 MB; nothing to fetch');
    expect(hub.log.count({ kind: ['resolve', 'resolve-cache', 'cdn'] })).toBe(0);
  });

  test('a dry run writes nothing', async () => {
    const { exit, stdout } = await run(ID, '--dry-run');
    expect(exit).toBe(0);
    expect(stdout).toContain(`into ${inCache(DIRECTORY, 'snapshots', commit('main'))}`);
    expect(readdirSync(workspace.directory)).toEqual([]);
  });

  test('a blob that was changed after it came is fetched again', async () => {
    await bring('main');
    const path = inCache(DIRECTORY, 'snapshots', commit('main'), 'sub/model.safetensors');
    const right = readFileSync(path);
    writeFileSync(path, Buffer.alloc(right.length));
    expect((await run(ID, '-q')).exit).toBe(0);
    expect(readFileSync(path).equals(right)).toBe(true);
  });

  test('goes through no link that leads out of the repository', async () => {
    mkdirSync(workspace.path('outside'));
    mkdirSync(inCache(DIRECTORY, 'snapshots', commit('main')), { recursive: true });
    symlinkSync(workspace.path('outside'), inCache(DIRECTORY, 'snapshots', commit('main'), 'sub'));
    const { exit, stderr } = await run(ID);
    expect(exit).toBe(8);
    expect(stderr).toContain('a link stands in the way');
    expect(readdirSync(workspace.path('outside'))).toEqual([]);
  });

  test('leaves the ref on the old commit while something is missing', async () => {
    await bring('main');
    const before = commit('main');
    hub
      .repository(ID)
      .setBranch('main', [gitFile('config.json', '{"new":1}\n'), gitFile('more.txt', 'more\n')]);
    hub.faults.add({ on: 'any', path: 'more.txt', times: 'always', effect: { kind: 'status', status: 404 } });
    expect((await run(ID, '-q')).exit).not.toBe(0);
    expect(readFileSync(inCache(DIRECTORY, 'refs/main'), 'utf8')).toBe(before);
    hub.faults.clear();
    await bring('main');
    expect(readFileSync(inCache(DIRECTORY, 'refs/main'), 'utf8')).toBe(commit('main'));
    expect(readdirSync(inCache(DIRECTORY, 'refs'))).toEqual(['main']);
  });
});

describe('fetch cache ls', () => {
  test('has a line for every revision', async () => {
    await bring('main', 'gptq/8bit');
    const { stdout, stderr, exit } = await run('cache', 'ls');
    expect(exit).toBe(0);
    const short = (revision: string) => commit(revision).slice(0, 12);
    const lines = stdout.trimEnd().split('\n');
    expect(lines[0]).toMatch(/^REPOSITORY +COMMIT +REFS +FILES +SIZE +PATH$/);
    expect(
      lines
        .slice(1)
        .map((line) => line.split(/ {2,}/))
        .toSorted(),
    ).toEqual(
      [
        [ID, short('main'), 'main', '3', '2.05 MB', inCache(DIRECTORY, 'snapshots', commit('main'))],
        [
          ID,
          short('gptq/8bit'),
          'gptq/8bit',
          '3',
          '2.05 MB',
          inCache(DIRECTORY, 'snapshots', commit('gptq/8bit')),
        ],
      ].toSorted(),
    );
    expect(stderr).toBe(`fetch: 1 repository, 2 revisions, 4.05 MB in ${inCache()}\n`);
    const document = JSON.parse((await run('cache', 'ls', '--json', '-q')).stdout);
    expect(document).toMatchObject({ v: 1, repos: [{ repo: { type: 'model', id: ID }, unfinished: 0 }] });
    expect(document.repos[0].revisions).toHaveLength(2);
  });

  test('has the unfinished files of a repository that another program removed', async () => {
    await bring('main');
    rmSync(inCache(DIRECTORY), { recursive: true });
    writeFileSync(inCache('.locks/fetch', DIRECTORY, 'parts/left.part'), Buffer.alloc(5000, 1));
    const { stdout } = await run('cache', 'ls');
    expect(stdout).toMatch(/^tests\/cached +- +unfinished parts +- +\d\.\d+ kB +/m);
    expect((await run('cache', 'rm', ID, '--yes')).stderr).toContain(`removed all of ${ID}`);
    expect(existsSync(inCache('.locks/fetch', DIRECTORY))).toBe(false);
    expect((await run('cache', 'ls')).stdout).toBe('');
  });

  test('of nothing is nothing', async () => {
    const { stdout, stderr, exit } = await run('cache', 'ls');
    expect([exit, stdout]).toEqual([0, '']);
    expect(stderr).toContain('0 repositories, 0 revisions, 0 B');
  });
});

describe('fetch cache rm', () => {
  test('removes a revision and what only that needed', async () => {
    await bring('main', 'gptq/8bit');
    expect(blobs()).toHaveLength(4);
    const { exit, stdout, stderr } = await run('cache', 'rm', `${ID}@gptq/8bit`, '--yes');
    expect([exit, stdout]).toEqual([0, '']);
    expect(stderr).toContain('removed 1 revision, 2.00 MB');
    expect(blobs()).toHaveLength(3);
    expect(readdirSync(inCache(DIRECTORY, 'refs'))).toEqual(['main']);
    expect(readdirSync(inCache(DIRECTORY, 'snapshots'))).toEqual([commit('main')]);
    expect((await run('cache', 'verify', ID)).exit).toBe(0);
    hub.log.clear();
    await bring('main');
    expect(hub.log.count({ kind: ['resolve', 'resolve-cache', 'cdn'] })).toBe(0);
  });

  test('removes a repository with its parts, and nothing else', async () => {
    await bring('main', 'gptq/8bit');
    await run('tests/other', '-q');
    writeFileSync(inCache('.locks/fetch', DIRECTORY, 'parts/left.part'), 'left');
    expect((await run('cache', 'rm', ID, '--yes', '-q')).exit).toBe(0);
    expect(existsSync(inCache(DIRECTORY))).toBe(false);
    expect(existsSync(inCache('.locks/fetch', DIRECTORY))).toBe(false);
    expect(existsSync(inCache('models--tests--other/refs/main'))).toBe(true);
  });

  test('leaves what a running hf is writing', async () => {
    await bring('main');
    const theirs = inCache(DIRECTORY, 'blobs', `${'a'.repeat(64)}.0123abcd.incomplete`);
    const lock = inCache('.locks', DIRECTORY, `${'a'.repeat(64)}.lock`);
    mkdirSync(inCache('.locks', DIRECTORY), { recursive: true });
    for (const path of [theirs, lock]) writeFileSync(path, 'theirs');
    const { exit, stderr } = await run('cache', 'rm', ID, '--yes');
    expect(exit).toBe(0);
    expect(stderr).toContain('left alone: 1 unfinished file of hf');
    for (const path of [theirs, lock]) expect(readFileSync(path, 'utf8')).toBe('theirs');
    expect(readdirSync(inCache(DIRECTORY)).toSorted()).toEqual(['blobs', 'snapshots']);
    await bring('main');
  });

  test('--dry-run says what would go, asks nothing and removes nothing', async () => {
    await bring('main', 'gptq/8bit');
    const one = await run('cache', 'rm', `${ID}@gptq/8bit`, '--dry-run');
    expect(one).toMatchObject({
      exit: 0,
      stdout: `${inCache(DIRECTORY, 'snapshots', commit('gptq/8bit'))}\n`,
    });
    expect(one.stderr).toMatch(/^fetch: tests\/cached [0-9a-f]{12} \(gptq\/8bit\)\n/);
    expect(one.stderr).toContain('fetch: would remove 1 revision, 2.00 MB\n');
    const all = await run('cache', 'rm', ID, '--dry-run', '--yes', '-q');
    expect(all).toMatchObject({ exit: 0, stdout: `${inCache(DIRECTORY)}\n`, stderr: '' });
    expect(blobs()).toHaveLength(4);
    expect((await run('cache', 'verify', ID)).exit).toBe(0);
  });

  test('asks, and decides nothing without a terminal', async () => {
    await bring('main');
    const { exit, stderr } = await run('cache', 'rm', ID);
    expect(exit).toBe(2);
    expect(stderr).toContain('say --yes');
    expect(blobs()).toHaveLength(3);
  });

  test.each([
    ['tests/nowhere', 'tests/nowhere is not in the cache'],
    [`${ID}@nope`, 'nope of tests/cached is not in the cache'],
  ])('%s is not there', async (repo, message) => {
    await bring('main');
    const { exit, stderr } = await run('cache', 'rm', repo, '--yes');
    expect(exit).toBe(4);
    expect(stderr).toContain(message);
  });

  test('waits for no run of ours', async () => {
    await bring('main');
    const program = workspace.start([
      ID,
      '--revision',
      'gptq/8bit',
      '--limit-rate',
      '200k',
      '--cache-dir',
      'cache',
    ]);
    await program.until('it has the lock', () => existsSync(inCache('.locks/fetch', DIRECTORY, 'lock')));
    const { exit, stderr } = await run('cache', 'rm', ID, '--yes');
    expect(exit).toBe(9);
    expect(stderr).toContain('is working on this repository in the cache');
    program.kill('SIGINT');
    await program.ended;
  });
});

describe('fetch cache verify', () => {
  test('reads every blob', async () => {
    await bring('main', 'gptq/8bit');
    const { exit, stdout, stderr } = await run('cache', 'verify', ID);
    expect([exit, stdout]).toEqual([0, `${inCache(DIRECTORY)}\n`]);
    expect(stderr).toBe(`fetch: ${ID}: 4 contents, 4.05 MB read\n`);
  });

  test('finds what was changed and what is missing', async () => {
    await bring('main', 'gptq/8bit');
    const model = inCache(DIRECTORY, 'snapshots', commit('main'), 'sub/model.safetensors');
    appendFileSync(model, 'x');
    const config = hub.repository(ID).commitOf('main');
    expect(config).toBeDefined();
    const { exit, stdout, stderr } = await run('cache', 'verify', `${ID}@main`);
    expect(exit).toBe(7);
    expect(stdout).toMatch(/^changed {2}blobs\/[0-9a-f]{64} {2}\([0-9a-f]{40}\/sub\/model.safetensors\)\n$/);
    expect(stderr).toContain('1 content wrong');
    expect((await run('cache', 'verify', `${ID}@gptq/8bit`)).exit).toBe(0);
    rmSync(inCache(DIRECTORY, 'blobs', stdout.slice(15, 79)));
    const gone = await run('cache', 'verify', ID, '--json');
    expect(gone.exit).toBe(7);
    expect(JSON.parse(gone.stdout)).toMatchObject({ ok: false, findings: [{ kind: 'missing' }] });
    await bring('main');
    expect((await run('cache', 'verify', ID)).exit).toBe(0);
  });

  test('without links goes by the record of the download', async () => {
    const env = { HF_HUB_DISABLE_SYMLINKS: 'true' };
    await workspace.run([ID, '--cache-dir', 'cache', '-q'], { env });
    expect(blobs()).toEqual([]);
    expect((await run('cache', 'verify', ID)).exit).toBe(0);
    appendFileSync(inCache(DIRECTORY, 'snapshots', commit('main'), 'config.json'), ' ');
    const { exit, stdout } = await run('cache', 'verify', ID);
    expect(exit).toBe(7);
    expect(stdout).toContain('config.json');
  });
});

test.skipIf(!hasTerminal)('fetch cache rm at a terminal asks, and takes yes for an answer', async () => {
  await bring('main');
  for (const [answer, left] of [
    ['n', true],
    ['y', false],
  ] as const) {
    const line = `exec '${process.execPath}' '${PROGRAM}' cache rm ${ID} --cache-dir cache`;
    const asked = workspace.start(['-qec', line, '/dev/null'], {
      command: ['script'],
      env: { TERM: 'xterm', SHELL: '/bin/sh' },
    });
    await asked.until('it asks', () => asked.stdout.includes('[y/N]'));
    asked.type(`${answer}\r`);
    expect((await asked.ended).exit).toBe(0);
    expect(existsSync(inCache(DIRECTORY))).toBe(left);
  }
});

test('fetch cache verify of many contents says nothing else', async () => {
  const files = Array.from({ length: 30 }, (_, index) => gitFile(`${index}.txt`, `${index}\n`));
  hub.repository('tests/other').setBranch('main', files);
  expect((await run('tests/other', '-q')).exit).toBe(0);
  expect((await run('cache', 'verify', 'tests/other', '-q')).stderr).toBe('');
});

describe('fetch cache verify of a big content', () => {
  /** Nothing but a length: it takes a moment to read and is not what its name says. */
  beforeEach(() => {
    const commit = 'c'.repeat(40);
    for (const directory of ['blobs', 'refs', `snapshots/${commit}`])
      mkdirSync(inCache(DIRECTORY, directory), { recursive: true });
    const blob = inCache(DIRECTORY, 'blobs', 'b'.repeat(64));
    writeFileSync(blob, '');
    truncateSync(blob, 700_000_000);
    symlinkSync(join('../../blobs', 'b'.repeat(64)), inCache(DIRECTORY, 'snapshots', commit, 'big.bin'));
    writeFileSync(inCache(DIRECTORY, 'refs/main'), commit);
  });

  test.skipIf(!hasTerminal)('has a bar at a terminal', async () => {
    const line = `exec '${process.execPath}' '${PROGRAM}' cache verify ${ID} --cache-dir cache`;
    const shown = await workspace.run(['-qec', line, '/dev/null'], {
      command: ['script'],
      env: { TERM: 'xterm', SHELL: '/bin/sh' },
    });
    expect(shown.exit).toBe(7);
    expect(shown.stdout).toMatch(/\r\x1b\[K\[[#.]{24}\] +\d+% .*700 MB.* 0\/1 file/);
  });

  const showsOpenFiles = existsSync('/proc/self/fd');

  test.skipIf(!showsOpenFiles)(
    'has no control codes in a pipe, and ends when it is interrupted',
    async () => {
      const blob = inCache(DIRECTORY, 'blobs', 'b'.repeat(64));
      // Long enough to be interrupted in the middle.
      truncateSync(blob, 20_000_000_000);
      const words = ['cache', 'verify', ID, '--cache-dir', 'cache', '--progress', 'bar', '--verbose'];
      const program = workspace.start(words);
      const files = `/proc/${program.pid}/fd`;
      await program.until('it reads the content', () => {
        return readdirSync(files).some((file) => {
          try {
            return readlinkSync(join(files, file)) === blob;
          } catch {
            return false;
          }
        });
      });
      program.kill('SIGINT');
      const { exit, stdout, stderr } = await program.ended;
      expect(exit).toBe(130);
      expect(stdout + stderr).not.toContain('\x1b');
    },
  );
});

test('a cache that version 0.1.0 made is read by this one', async () => {
  const kept = join(import.meta.dirname, 'expected', 'cache-0.1.0');
  cpSync(kept, inCache(), { recursive: true, verbatimSymlinks: true });
  await using old = await startHub({ repositories: [CACHE_OF_0_1_0] });
  const words = [CACHE_OF_0_1_0.id, '--cache-dir', 'cache', '--endpoint', old.origin];
  for (const revision of ['main', 'v/2']) {
    const { exit, stderr } = await workspace.run([...words, '--revision', revision]);
    expect(exit).toBe(0);
    expect(stderr).toContain('nothing to fetch');
  }
  expect(old.log.count({ kind: ['resolve', 'resolve-cache', 'cdn'] })).toBe(0);
  expect((await run('cache', 'verify', CACHE_OF_0_1_0.id)).exit).toBe(0);
  const { repos } = JSON.parse((await run('cache', 'ls', '--json')).stdout);
  expect(
    repos[0].revisions.map(({ refs, complete }: { refs: string[]; complete: boolean }) => [refs, complete]),
  ).toEqual(
    expect.arrayContaining([
      [['main'], true],
      [['v/2'], true],
    ]),
  );
});

test('fetch cache alone is a question', async () => {
  const { exit, stderr } = await workspace.run(['cache']);
  expect(exit).toBe(2);
  expect(stderr).toContain('verify');
});
