import { readdir } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compareWithTruth } from '../support/hub/compare.ts';
import { MISTRAL_GPTQ, mistralGptq } from '../support/hub/fixtures/mistral-gptq.ts';
import { oddNames } from '../support/hub/fixtures/odd.ts';
import { demoSpace, gpt2, manyRevisions, squad } from '../support/hub/fixtures/various.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { gitFile } from '../support/hub/repositories/file.ts';
import { Workspace } from '../support/run-program.ts';

const REVISIONS = 'tests/revisions';

let hub: Hub;

beforeAll(async () => {
  hub = await startHub({
    repositories: [
      mistralGptq(),
      manyRevisions(),
      squad(),
      demoSpace(),
      gpt2(),
      oddNames(),
      { id: 'verify', branches: { main: [gitFile('config.json', '{}\n')] } },
    ],
  });
});

afterAll(() => hub.close());

/** Tables are made before the hub is. */
function atHub(word: string): string {
  return word.replace(/^URL/, hub.origin);
}

describe('what is downloaded, and where to', () => {
  /** The words, the directory that comes of them, and what must be in it. */
  const FORMS: readonly (readonly [
    readonly string[],
    string,
    string,
    string,
    'model' | 'dataset' | 'space',
  ])[] = [
    [[REVISIONS], 'revisions', REVISIONS, 'main', 'model'],
    [['download', REVISIONS], 'revisions', REVISIONS, 'main', 'model'],
    [[REVISIONS, '--revision', 'main'], 'revisions', REVISIONS, 'main', 'model'],
    [[REVISIONS, '--revision', 'gptq/8bit'], 'revisions_gptq_8bit', REVISIONS, 'gptq/8bit', 'model'],
    [[`${REVISIONS}:gptq/8bit`], 'revisions_gptq_8bit', REVISIONS, 'gptq/8bit', 'model'],
    [[`${REVISIONS}@gptq/8bit`], 'revisions_gptq_8bit', REVISIONS, 'gptq/8bit', 'model'],
    [[`${REVISIONS}@v1.0`], 'revisions_v1.0', REVISIONS, 'v1.0', 'model'],
    [[REVISIONS, '--revision', 'refs/pr/1'], 'revisions_refs_pr_1', REVISIONS, 'refs/pr/1', 'model'],
    [[`${REVISIONS}:v1.0`, '--revision', 'v1.0'], 'revisions_v1.0', REVISIONS, 'v1.0', 'model'],
    [[`URL/${REVISIONS}`], 'revisions', REVISIONS, 'main', 'model'],
    [[`URL/${REVISIONS}/tree/gptq%2F8bit`], 'revisions_gptq_8bit', REVISIONS, 'gptq/8bit', 'model'],
    [
      [`https://huggingface.co/${REVISIONS}/tree/refs%2Fpr%2F1`],
      'revisions_refs_pr_1',
      REVISIONS,
      'refs/pr/1',
      'model',
    ],
    [[`hf://${REVISIONS}@v1.0`], 'revisions_v1.0', REVISIONS, 'v1.0', 'model'],
    [[`hf://${REVISIONS}@refs/pr/1`], 'revisions_refs_pr_1', REVISIONS, 'refs/pr/1', 'model'],
    [['datasets/tests/squad'], 'squad', 'tests/squad', 'main', 'dataset'],
    [['tests/squad', '--repo-type', 'dataset'], 'squad', 'tests/squad', 'main', 'dataset'],
    [
      ['tests/squad', '--type', 'dataset', '--revision', 'refs/convert/parquet'],
      'squad_refs_convert_parquet',
      'tests/squad',
      'refs/convert/parquet',
      'dataset',
    ],
    [['hf://datasets/tests/squad'], 'squad', 'tests/squad', 'main', 'dataset'],
    [[`URL/datasets/tests/squad/tree/main`, '--local-dir', 'here'], 'here', 'tests/squad', 'main', 'dataset'],
    [['spaces/tests/demo'], 'demo', 'tests/demo', 'main', 'space'],
    [['gpt2'], 'gpt2', 'openai-community/gpt2', 'main', 'model'],
    [['download', 'verify'], 'verify', 'verify', 'main', 'model'],
    [['tests/odd-names', '--local-dir', 'a/b c/d'], 'a/b c/d', 'tests/odd-names', 'main', 'model'],
  ];

  test.each(FORMS.map((form) => [form[0].join(' '), form] as const))(
    '%s',
    async (_name, [words, root, id, revision, type]) => {
      await using workspace = await Workspace.open({ endpoint: hub.origin });
      const run = await workspace.run([...words.map(atHub), '--quiet']);
      expect(run).toMatchObject({ exit: 0, stderr: '', stdout: `${workspace.path(root)}\n` });
      expect(await compareWithTruth(workspace.path(root), await hub.truth(id, revision, type))).toEqual([]);
      expect((await readdir(workspace.directory)).length).toBe(1);
    },
  );

  test('a full and a short commit', async () => {
    const { id } = hub.repository(REVISIONS).commitOf('gptq/8bit');
    for (const revision of [id, id.slice(0, 7)]) {
      await using workspace = await Workspace.open({ endpoint: hub.origin });
      const run = await workspace.run([REVISIONS, '--revision', revision, '--quiet']);
      const directory = workspace.path(`revisions_${revision}`);
      expect(run).toMatchObject({ exit: 0, stderr: '', stdout: `${directory}\n` });
      expect(await compareWithTruth(directory, await hub.truth(REVISIONS, 'gptq/8bit'))).toEqual([]);
    }
  });
});

describe('parts of a repository', () => {
  const ODD = 'tests/odd-names';

  test.each([
    ['one file', [ODD, 'é日本語.txt'], 'odd-names/é日本語.txt', ['é日本語.txt']],
    [
      'one file in a directory',
      [ODD, 'sub dir/a#b%c?.txt'],
      'odd-names/sub dir/a#b%c?.txt',
      ['sub dir/a#b%c?.txt'],
    ],
    [
      'a file by its address',
      ['URL/tests/odd-names/blob/main/hash%23tag.txt'],
      'odd-names/hash#tag.txt',
      ['hash#tag.txt'],
    ],
    [
      'a file to be downloaded from a browser',
      ['URL/tests/odd-names/resolve/main/per%25cent.txt?download=true'],
      'odd-names/per%cent.txt',
      ['per%cent.txt'],
    ],
    [
      'a file with hf://',
      [`hf://${ODD}/deep/er/and/deep/er/leaf.txt`],
      'odd-names/deep/er/and/deep/er/leaf.txt',
      ['deep/er/and/deep/er/leaf.txt'],
    ],
    ['two files', [ODD, 'README.md', '.hidden'], 'odd-names', ['.hidden', 'README.md']],
    ['a directory', [ODD, 'deep/'], 'odd-names', ['deep/er/and/deep/er/leaf.txt']],
    [
      'a directory by its address',
      ['URL/tests/odd-names/tree/main/deep/er'],
      'odd-names',
      ['deep/er/and/deep/er/leaf.txt'],
    ],
    ['a filter', [ODD, '--include', '*.txt', '--exclude', '*e*', '--exclude', 'quote*'], 'odd-names', []],
  ] as const)('%s', async (name, words, result, paths) => {
    await using workspace = await Workspace.open({ endpoint: hub.origin });
    const run = await workspace.run([...words.map(atHub), '--quiet']);
    expect(run).toMatchObject({ exit: 0, stderr: '', stdout: `${workspace.path(result)}\n` });
    const truth = await hub.truth(ODD);
    const wanted =
      name === 'a filter'
        ? truth.filter(
            ({ path }) => path.endsWith('.txt') && !path.includes('e') && !path.startsWith('quote'),
          )
        : truth.filter(({ path }) => (paths as readonly string[]).includes(path));
    expect(wanted.length).toBeGreaterThan(0);
    expect(await compareWithTruth(workspace.path('odd-names'), wanted)).toEqual([]);
  });
});

describe('what does not exist', () => {
  test.each([
    ['a mistyped branch lists the nearest', [`${MISTRAL_GPTQ}:gptq-8bit-32g-actorder_Tru`], 4],
    ['a branch like none', [MISTRAL_GPTQ, '--revision', 'zzz'], 4],
    ['a repository', ['tests/nothing-here'], 5],
    ['a repository of the other type', ['datasets/tests/revisions'], 5],
    ['a file', [MISTRAL_GPTQ, 'config.jsn'], 4],
    ['a file beside one that does', [MISTRAL_GPTQ, 'config.json', 'nothing/at/all.bin'], 4],
    ['a filter that matches nothing', [MISTRAL_GPTQ, '--include', '*.gguf'], 4],
    ['a filter that leaves nothing', [MISTRAL_GPTQ, '--exclude', '*'], 4],
    ['a commit', [MISTRAL_GPTQ, '--revision', '0123456789012345678901234567890123456789'], 4],
  ] as const)('%s', async (_name, words, exit) => {
    await using workspace = await Workspace.open({ endpoint: hub.origin });
    const run = await workspace.run(words);
    expect(run).toMatchObject({ exit, stdout: '' });
    expect(workspace.scrub(run.stderr)).toMatchSnapshot();
    expect(await readdir(workspace.directory)).toEqual([]);
  });
});

describe('what cannot be meant', () => {
  test.each([
    ['no arguments', []],
    ['a revision given twice', [`${REVISIONS}:v1.0`, '--revision', 'main']],
    ['a type given twice', ['datasets/tests/squad', '--repo-type', 'model']],
    ['a type that there is not', [REVISIONS, '--repo-type', 'bucket']],
    ['an option that there is not', [REVISIONS, '--fast']],
    ['an option of a later version', [REVISIONS, '--mirror', 'https://mirror.example']],
    ['another host', ['https://example.org/tests/revisions']],
    ['a path', ['./tests/revisions']],
    ['no name', ['']],
    ['three names', ['a/b/c']],
    ['an id with a space', ['tests/with space']],
    ['an empty revision', [`${REVISIONS}:`]],
    ['a number that is none', [REVISIONS, '--connections', 'many']],
    ['no connection at all', [REVISIONS, '--connections', '0']],
    ['a time that is none', [REVISIONS, '--timeout', '-1']],
    ['a progress that there is not', [REVISIONS, '--progress', 'fancy']],
    ['an endpoint that is no address', [REVISIONS, '--endpoint', 'hub']],
    ['an option without its value', [REVISIONS, '--revision']],
  ] as const)('%s', async (_name, words) => {
    await using workspace = await Workspace.open({ endpoint: hub.origin });
    hub.log.clear();
    const run = await workspace.run(words);
    expect(run).toMatchObject({ exit: 2, stdout: '' });
    expect(workspace.scrub(run.stderr)).toMatchSnapshot();
    expect(await readdir(workspace.directory)).toEqual([]);
    expect(hub.log.entries).toEqual([]);
  });
});

describe('help', () => {
  test.each([[['--help']], [['-h']], [['download', '--help']]])('%s', async (words) => {
    await using workspace = await Workspace.open();
    const run = await workspace.run(words);
    expect(run).toMatchObject({ exit: 0, stderr: '' });
    expect(run.stdout).toMatch(/^Usage: fetch /);
    expect(run.stdout).toContain('--revision <rev>');
    // No terminal is wider by default.
    for (const line of run.stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(110);
  });

  test.each(['--version', '-V'])('%s', async (word) => {
    await using workspace = await Workspace.open();
    const run = await workspace.run([word]);
    expect(run).toMatchObject({ exit: 0, stderr: '' });
    expect(run.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

test("lines from TheBloke's cards work with the words replaced", async () => {
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  const line = `${MISTRAL_GPTQ} --revision gptq-4bit-32g-actorder_True --local-dir Mistral-7B --local-dir-use-symlinks False --resume-download --max-workers 4`;
  const run = await workspace.run(line.split(' '));
  expect(run).toMatchObject({ exit: 0, stdout: `${workspace.path('Mistral-7B')}\n` });
  expect(run.stderr).toMatch(/--local-dir-use-symlinks is not needed/);
  expect(run.stderr).toMatch(/--resume-download is not needed/);
});
