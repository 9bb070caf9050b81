import { mkdirSync, readdirSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { guarded } from '../support/hub/fixtures/various.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { gitFile } from '../support/hub/repositories/file.ts';
import { Workspace } from '../support/run-program.ts';

const REPO = 'tests/words';
const FILES = ['a.json', 'b.json', 'c.txt', 'd.bin', 'e.h5'];

let hub: Hub;
let workspace: Workspace;

beforeAll(async () => {
  const files = FILES.map((path) => gitFile(path, `${path}\n`));
  hub = await startHub({
    repositories: [{ id: REPO, branches: { main: files, 'gptq-4bit': files } }, ...guarded()],
    tokens: [{ token: 'hf_nobody', user: 'nobody', access: [] }],
  });
});

afterAll(() => hub.close());

beforeEach(async () => {
  workspace = await Workspace.open({ endpoint: hub.origin });
  hub.log.clear();
});

afterEach(async () => await workspace[Symbol.asyncDispose]());

const names = (directory: string) =>
  readdirSync(workspace.path(directory)).filter((name) => name !== '.cache');

test.each([
  [['help'], 'Usage: fetch [options]'],
  [['help', 'branches'], 'Usage: fetch branches [options] <repo>'],
  [['--help', 'branches'], 'Usage: fetch branches [options] <repo>'],
  [['branches', '--help'], 'Usage: fetch branches [options] <repo>'],
  [['help', 'cache', 'rm'], 'Usage: fetch cache rm [options] <repo>'],
])('%j is help, without a request', async (words, first) => {
  const run = await workspace.run(words);
  expect(run).toMatchObject({ exit: 0, stderr: '' });
  expect(run.stdout.startsWith(first)).toBe(true);
  expect(hub.log.entries).toEqual([]);
});

test.each([
  [['ls', REPO], `fetch branches ${REPO}`],
  [['brances', REPO], `Did you mean fetch branches ${REPO}?`],
  [['verfy', 'd'], 'Did you mean fetch verify d?'],
  [['login'], 'hf auth login'],
  [['hf', 'download', REPO], `fetch ${REPO}`],
  [[REPO, '--branch', 'x'], '--revision REV'],
  [[REPO, '-o', 'x'], '--local-dir DIR'],
  [[REPO, '-j', '8'], '--connections N'],
  [['branches', REPO, '--sort-by', 'x'], 'fetch branches --help'],
  [[REPO, '--repo-type', 'datasets'], 'Did you mean dataset?'],
  [[`${REPO}/tree/main`], `fetch ${REPO} --revision main`],
  [[`${REPO}/tree/main/onnx`], `fetch ${REPO} onnx --revision main`],
  [[REPO, '--exclude', 'a.json', 'b.json'], '--exclude b.json'],
  [['cache', 'prune'], 'fetch cache rm REPO@REV'],
  [[], 'fetch branches OWNER/NAME'],
])('%j is a usage error that says what to type, without a request', async (words, answer) => {
  const run = await workspace.run(words, { env: { HF_TOKEN: 'hf_nobody' } });
  expect(run).toMatchObject({ exit: 2, stdout: '' });
  const lines = run.stderr.trimEnd().split('\n');
  expect(lines).toHaveLength(2);
  expect(lines[0]).toMatch(/^fetch: error: /);
  expect(lines[1]).toMatch(/^hint: /);
  expect(lines[1]).toContain(answer);
  expect(hub.log.entries).toEqual([]);
});

test('several patterns behind one option, as huggingface-cli took them', async () => {
  const run = async (directory: string, ...words: string[]) => {
    expect(await workspace.run([REPO, ...words, '--local-dir', directory, '-q'])).toMatchObject({
      exit: 0,
      stderr: '',
    });
    return names(directory);
  };
  expect(await run('one', '--exclude', '*.bin', '*.h5', '*.txt')).toEqual(['a.json', 'b.json']);
  expect(await run('two', '--include', '*.json', '*.txt')).toEqual(['a.json', 'b.json', 'c.txt']);
  expect(await run('three', '--include', '*.json', 'c.*', '--exclude', 'a*', '[c]*')).toEqual(['b.json']);
  expect(await run('four', 'a.json', 'c.txt', '--exclude', '*.txt')).toEqual(['a.json']);
});

test('a branch or a repository where a file is asked for', async () => {
  const hint = async (...words: string[]) => {
    const run = await workspace.run([REPO, ...words]);
    expect(run.exit).toBe(4);
    return run.stderr.split('\n').find((line) => line.startsWith('hint: '));
  };
  expect(await hint('main')).toBe(`hint: A branch has that name: fetch ${REPO}:main.`);
  expect(await hint('gptq-4bit')).toBe(`hint: A branch has that name: fetch ${REPO}:gptq-4bit.`);
  expect(await hint('other/model')).toContain(`One repository at a time: run fetch other/model as well`);
  expect(await hint('a.jsn')).toContain('Did you mean a.json');
});

test('a word that may have been meant as a command says so when no hub knows it', async () => {
  const run = await workspace.run(['grab']);
  expect(run.exit).toBe(5);
  expect(run.stderr).toContain('If grab was meant as a command: fetch --help lists them.');
});

test('verify OWNER/NAME names the directory that is meant', async () => {
  expect((await workspace.run([REPO, '-q'])).exit).toBe(0);
  const run = await workspace.run(['verify', REPO]);
  expect(run.exit).toBe(4);
  expect(run.stderr).toContain('./words is here: fetch verify words.');
  mkdirSync(workspace.path('tests/words'), { recursive: true });
  expect((await workspace.run(['verify', REPO])).stderr).toContain('has no manifest of fetch');
});

test('a plan of a gated repository asks for access', async () => {
  for (const words of [
    ['tests/gated', '--dry-run'],
    ['tests/gated', '--dry-run', '--json'],
  ]) {
    const run = await workspace.run(words, { env: { HF_TOKEN: 'hf_nobody' } });
    expect(run.exit).toBe(5);
    expect(run.stderr).not.toContain('to fetch');
  }
});

test('a plan says everything once', async () => {
  const run = await workspace.run([REPO, '--dry-run']);
  expect(run).toMatchObject({ exit: 0, stderr: '' });
  expect(run.stdout.split(`into ${workspace.path('words')}`)).toHaveLength(2);
});

test('two signals, one after the other: whichever ends it, there is a word and no lock', async () => {
  hub.settings.bytesPerSecond = 2000;
  try {
    const program = workspace.start([REPO, '--json']);
    await program.until('the run has begun', () => workspace.has('words/.cache/fetch/lock'));
    program.kill('SIGINT');
    program.kill('SIGTERM');
    const run = await program.ended;
    expect([130, 143]).toContain(run.exit);
    expect(run.stderr).toMatch(/^fetch: interrupted /m);
    const last = run.stdout.trimEnd().split('\n').at(-1) ?? '';
    expect(JSON.parse(last)).toMatchObject({ event: 'error', code: 'ABORTED', exit: run.exit });
    expect(workspace.has('words/.cache/fetch/lock')).toBe(false);
  } finally {
    hub.settings.bytesPerSecond = undefined;
  }
});
