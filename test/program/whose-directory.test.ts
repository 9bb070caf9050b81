import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { generated } from '../support/hub/content/content.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { gitFile, lfsFile } from '../support/hub/repositories/file.ts';
import { jsonLines, Workspace } from '../support/run-program.ts';

let hub: Hub;
let mirror: Hub;
let workspace: Workspace;

const of = (owner: string) => ({
  id: `${owner}/same`,
  branches: {
    main: [gitFile('config.json', `{"of":"${owner}"}\n`), lfsFile('model.bin', generated(owner, 300_000))],
    other: [gitFile('config.json', '{"of":"a branch"}\n')],
  },
});

beforeAll(async () => {
  const dataset = { ...of('alice'), type: 'dataset' as const, branches: { main: [gitFile('a.csv', 'a\n')] } };
  hub = await startHub({ repositories: [of('alice'), of('bob'), dataset] });
  mirror = await startHub({ repositories: [of('alice'), { ...of('bob'), id: 'carol/same' }] });
});

afterAll(async () => {
  await hub.close();
  await mirror.close();
});

beforeEach(async () => {
  workspace = await Workspace.open({ endpoint: hub.origin });
});

afterEach(async () => await workspace[Symbol.asyncDispose]());

const config = () => readFileSync(workspace.path('same/config.json'), 'utf8');

test('a directory that holds another repository is refused, and nothing of it is touched', async () => {
  expect((await workspace.run(['alice/same', '-q'])).exit).toBe(0);
  for (const words of [
    ['bob/same'],
    ['datasets/alice/same'],
    ['bob/same', '--local-dir', 'same'],
    ['bob/same', '--dry-run'],
  ]) {
    const run = await workspace.run([...words, '--json']);
    expect(run.exit).toBe(2);
    expect(workspace.scrub(run.stderr)).toMatch(
      /fetch: error: \/work\/same holds alice\/same, main at [0-9a-f]{7}: \S+ would replace files of it\nhint: Use --local-dir DIR to put \S+ elsewhere, or --replace-repo/,
    );
    expect(jsonLines(run.stdout).at(-1)).toMatchObject({ event: 'error', code: 'USAGE', exit: 2 });
    expect(config()).toBe('{"of":"alice"}\n');
  }
  expect((await workspace.run(['verify', 'same', '-q'])).exit).toBe(0);
  // Another branch of the same, and the same in other letters, are its own.
  expect((await workspace.run(['Alice/Same', '--local-dir', 'same', '-q'])).exit).toBe(0);
  expect((await workspace.run(['alice/same:other', '--local-dir', 'same', '-q'])).exit).toBe(0);
});

test('--replace-repo goes on', async () => {
  expect((await workspace.run(['alice/same', '-q'])).exit).toBe(0);
  expect((await workspace.run(['bob/same', '--replace-repo', '-q'])).exit).toBe(0);
  expect(config()).toBe('{"of":"bob"}\n');
  expect((await workspace.run(['alice/same', '-q'])).exit).toBe(2);
});

test('a run that never came to its end owns the directory too', async () => {
  hub.settings.bytesPerSecond = 20_000;
  try {
    // One connection for the large file, one for the small.
    const program = workspace.start(['alice/same', '--connections', '2']);
    await program.until('a file is there', () => workspace.has('same/config.json'));
    program.kill('SIGKILL');
    await program.ended;
  } finally {
    hub.settings.bytesPerSecond = undefined;
  }
  const run = await workspace.run(['bob/same']);
  expect(run.exit).toBe(2);
  expect(run.stderr).toContain('holds alice/same, main at ');
  expect((await workspace.run(['alice/same', '-q'])).exit).toBe(0);
  expect(workspace.has('same/.cache/fetch/repository.json')).toBe(false);
});

test('a mirror with the same commit is the same repository; another one is not', async () => {
  expect((await workspace.run(['alice/same', '-q'])).exit).toBe(0);
  const env = { HF_ENDPOINT: mirror.origin };
  expect((await workspace.run(['alice/same', '-q'], { env })).exit).toBe(0);
  expect((await workspace.run(['carol/same', '-q'], { env })).exit).toBe(2);
});

test('an empty path is a usage error everywhere, and no request is made', async () => {
  writeFileSync(workspace.path('config.json'), 'of the project');
  hub.log.clear();
  for (const words of [
    ['alice/same', '--local-dir', ''],
    ['alice/same', '--local-dir='],
    ['alice/same', '--local-dir', ' '],
    ['alice/same', '--cache-dir', ''],
    ['alice/same', '--reuse', ''],
    ['alice/same', '--lock', ''],
    ['lock', 'alice/same', '--lock', ''],
    ['verify', ''],
    ['doctor', 'alice/same', '--local-dir', ''],
    ['cache', 'ls', '--cache-dir', ''],
  ]) {
    const run = await workspace.run(words);
    expect(run, words.join(' ')).toMatchObject({ exit: 2, stdout: '' });
    expect(run.stderr).toContain('is empty: it needs a path');
  }
  expect(hub.log.entries).toEqual([]);
  expect(readFileSync(workspace.path('config.json'), 'utf8')).toBe('of the project');
});

test('a ~ that no shell replaced is the home', async () => {
  const local = await workspace.run(['alice/same', '--local-dir=~/models/one', '-q']);
  expect(local.stdout).toBe(`${workspace.home}/models/one\n`);
  const cache = await workspace.run(['alice/same', '--cache-dir=~/hub', '-q']);
  expect(cache.stdout).toContain(`${workspace.home}/hub/models--alice--same/`);
  const variables = { HF_HOME: '$DATA/hf', DATA: '~/data' };
  const variable = await workspace.run(['alice/same', '--cache', '-q'], { env: variables });
  expect(variable.stdout).toContain(`${workspace.home}/data/hf/hub/models--alice--same/`);
  expect((await workspace.run(['verify', '~/models/one', '-q'])).exit).toBe(0);
  expect(workspace.has('~')).toBe(false);
});

test('copies are looked for in the same cache that --cache fills', async () => {
  const env = { HUGGINGFACE_HUB_CACHE: '~/other-cache' };
  expect((await workspace.run(['alice/same', '--cache', '-q'], { env })).exit).toBe(0);
  hub.log.clear();
  expect((await workspace.run(['alice/same', '--local-dir', 'd', '-q'], { env })).exit).toBe(0);
  expect(hub.log.bytesSent('cdn')).toBe(0);
});

test('verify --allow-extra: told, but no difference', async () => {
  await workspace.run(['alice/same', '-q']);
  writeFileSync(workspace.path('same/.DS_Store'), 'x');
  expect((await workspace.run(['verify', 'same'])).exit).toBe(7);
  const run = await workspace.run(['verify', 'same', '--allow-extra']);
  expect(run).toMatchObject({ exit: 0, stdout: `extra    .DS_Store  (1 B)\n${workspace.path('same')}\n` });
  const json = await workspace.run(['verify', 'same', '--allow-extra', '--json']);
  expect(JSON.parse(json.stdout)).toMatchObject({ ok: true, extra: [{ path: '.DS_Store', size: 1 }] });
  writeFileSync(workspace.path('same/config.json'), '{"of":"eve!!"}\n');
  const changed = await workspace.run(['verify', 'same', '--allow-extra']);
  expect(changed.exit).toBe(7);
  expect(changed.stderr).toContain('differs: 1 changed\n');
});

test('a link that leads nowhere is called that', async () => {
  symlinkSync(workspace.path('nowhere'), workspace.path('link'));
  const run = await workspace.run(['alice/same', '--local-dir', 'link']);
  expect(run.exit).toBe(8);
  expect(workspace.scrub(run.stderr)).toContain('/work/link is a link to /work/nowhere, which is not there');
});

test('a settings file of a project that leads elsewhere says so', async () => {
  mkdirSync(workspace.path('project'));
  const file = workspace.path('project/fetch.config.json');
  const command = (program: string) => [
    'sh',
    '-c',
    'cd project && exec "$@"',
    'sh',
    process.execPath,
    program,
  ];
  const { PROGRAM } = await import('../support/run-program.ts');
  const run = async (settings: object, ...words: string[]) => {
    writeFileSync(file, JSON.stringify(settings));
    const env = { HF_ENDPOINT: '' };
    return workspace.scrub((await workspace.run(words, { env, command: command(PROGRAM) })).stderr);
  };
  const endpoint = hub.origin;
  const outside = { endpoint, directory: '../out' };
  expect(await run(outside, 'alice/same')).toContain(
    'fetch: the settings file /work/project/fetch.config.json says the endpoint http://hub.test, and the directory /work/out, outside of the project\n',
  );
  expect(await run({ endpoint, directory: 'in' }, 'alice/same')).toContain(
    'says the endpoint http://hub.test\n',
  );
  expect(await run(outside, 'alice/same', '--local-dir', 'x')).not.toContain('outside of the project');
  expect(await run(outside, 'branches', 'alice/same')).toContain('says the endpoint http://hub.test\n');
  expect(await run(outside, 'alice/same', '--endpoint', endpoint, '--local-dir', 'y')).not.toContain(
    'settings file',
  );
});
