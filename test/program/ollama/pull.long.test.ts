import { mkdirSync, readFileSync, statSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { generated } from '../../support/hub/content/content.ts';
import { expectedStore, filesIn, storeDifferences } from '../../support/ollama-models.ts';
import { blobOf, ollamaModel, type PushedModel } from '../../support/registry/model.ts';
import { Registry } from '../../support/registry/registry.ts';
import { jsonLines, type Run, Workspace } from '../../support/run-program.ts';

const NAME = 'library/mixtral';
let big: PushedModel;
let small: PushedModel;
let registry: Registry;
let workspace: Workspace;

beforeAll(async () => {
  big = await ollamaModel(generated('weights', 3_000_017));
  small = await ollamaModel(generated('small', 50_021), { config: { model_type: '7B' } });
});

beforeEach(async () => {
  const cloud = await ollamaModel(generated('none', 0), { layers: [], config: { remote_host: 'https://x' } });
  registry = await Registry.start({
    like: 'ollama',
    models: { [NAME]: { '8x7b': big, latest: small, cloud } },
  });
  workspace = await Workspace.open();
  return async () => {
    await registry[Symbol.asyncDispose]();
    await workspace[Symbol.asyncDispose]();
  };
});

const store = () => join(workspace.home, '.ollama/models');
const name = (tag = ':8x7b') => `ollama://${registry.host}/${NAME}${tag}`;
const pathOf = (tag: string) => `${registry.host}/${NAME}/${tag}`;
const weightsOf = (model: PushedModel) => [...model.blobs.keys()][0]!;
const blobPath = (digest: string) => join(store(), 'blobs', digest.replace(':', '-'));
const pull = (...words: string[]): Promise<Run> => workspace.run([...words, '--ollama']);

async function differences(models: Readonly<Record<string, PushedModel>>): Promise<string[]> {
  const byPath = Object.entries(models).map(([tag, model]) => [pathOf(tag), model]);
  return storeDifferences(store(), await expectedStore(Object.fromEntries(byPath)));
}

describe('a tag', () => {
  test('comes into the store of the user, and its name is the only line on stdout', async () => {
    const run = await pull(name());
    expect(run).toMatchObject({ exit: 0, stdout: `${registry.host}/${NAME}:8x7b\n` });
    expect(await differences({ '8x7b': big })).toEqual([]);
    expect(filesIn(workspace.directory)).toEqual([]);
  });

  test('a second time costs one request and no byte, and changes nothing', async () => {
    await pull(name());
    const before = filesIn(store()).map((path) => statSync(join(store(), path)).mtimeMs);
    registry.log.length = 0;
    registry.blobBytes = 0;
    expect(await pull(name())).toMatchObject({ exit: 0, stdout: `${registry.host}/${NAME}:8x7b\n` });
    expect(registry.log.map(({ kind }) => kind)).toEqual(['manifest']);
    expect(registry.blobBytes).toBe(0);
    expect(filesIn(store()).map((path) => statSync(join(store(), path)).mtimeMs)).toEqual(before);
  });

  test('goes where OLLAMA_MODELS says', async () => {
    const models = workspace.path('elsewhere');
    const run = await workspace.run([name(), '--ollama'], { env: { OLLAMA_MODELS: `"${models}"` } });
    expect(run.exit).toBe(0);
    const expected = await expectedStore({ [pathOf('8x7b')]: big });
    expect(storeDifferences(models, expected)).toEqual([]);
  });

  test('that has moved replaces the old manifest', async () => {
    await pull(name());
    registry.move(NAME, '8x7b', small);
    expect((await pull(name())).exit).toBe(0);
    expect(readFileSync(join(store(), 'manifests', pathOf('8x7b'))).equals(small.manifest)).toBe(true);
    // Shared blobs and old ones are left: Ollama removes what no manifest names.
    expect(filesIn(join(store(), 'blobs')).length).toBe(
      new Set([...big.blobs.keys(), ...small.blobs.keys()]).size,
    );
  });

  test('of the cloud has nothing to bring', async () => {
    const empty = await ollamaModel(generated('none', 0), { config: { remote_host: 'https://ollama.com' } });
    const manifest = Buffer.from(JSON.stringify({ ...JSON.parse(empty.manifest.toString()), layers: [] }));
    registry.move(NAME, 'cloud', { ...empty, manifest });
    const run = await pull(name(':cloud'));
    expect(run).toMatchObject({ exit: 4, stdout: '' });
    expect(filesIn(store())).toEqual([]);
  });
});

describe('blobs that are there', () => {
  test('and right are read and kept, whichever program wrote them', async () => {
    mkdirSync(join(store(), 'blobs'), { recursive: true });
    const digest = weightsOf(big);
    writeFileSync(blobPath(digest), await blobOf(big, digest));
    const { ino } = statSync(blobPath(digest));
    expect((await pull(name())).exit).toBe(0);
    expect(await differences({ '8x7b': big })).toEqual([]);
    expect(statSync(blobPath(digest)).ino).toBe(ino);
    expect(registry.blobBytes).toBeLessThan(3_000_000);
  });

  test.each(['of the right size', 'too short'])('and wrong are fetched again: %s', async (kind) => {
    mkdirSync(join(store(), 'blobs'), { recursive: true });
    const digest = weightsOf(big);
    const content = Buffer.from(await blobOf(big, digest));
    content[1_000_000] = content[1_000_000]! ^ 1;
    writeFileSync(blobPath(digest), kind === 'too short' ? content.subarray(0, 1000) : content);
    expect((await pull(name())).exit).toBe(0);
    expect(await differences({ '8x7b': big })).toEqual([]);
  });

  test('and pruned by Ollama during the run are fetched again', async () => {
    mkdirSync(join(store(), 'blobs'), { recursive: true });
    const template = [...big.blobs.keys()][1]!;
    writeFileSync(blobPath(template), await blobOf(big, template));
    registry.fault({
      on: 'storage',
      url: weightsOf(big).slice(7),
      effect: { kind: 'slow', rate: 1_500_000 },
    });
    const program = workspace.start([name(), '--ollama']);
    await program.until('it is under way', () => registry.blobBytes > 500_000);
    unlinkSync(blobPath(template));
    expect((await program.ended).exit).toBe(0);
    expect(await differences({ '8x7b': big })).toEqual([]);
  });

  test('--force-download fetches them all the same', async () => {
    await pull(name());
    registry.blobBytes = 0;
    expect((await pull(name(), '--force-download')).exit).toBe(0);
    expect(registry.blobBytes).toBeGreaterThanOrEqual(3_000_017);
    expect(await differences({ '8x7b': big })).toEqual([]);
  });
});

describe('without writing', () => {
  test('--dry-run says what would come', async () => {
    const run = await pull(name(), '--dry-run', '--json');
    expect(run.exit).toBe(0);
    expect(JSON.parse(run.stdout)).toMatchObject({ directory: store(), totals: { files: 5, held: 0 } });
    expect(filesIn(workspace.home)).toEqual([]);
  });

  test('--offline is content with what is there, and makes no request', async () => {
    expect(await pull(name(), '--offline')).toMatchObject({ exit: 4, stdout: '' });
    await pull(name());
    registry.log.length = 0;
    expect(await pull(name(), '--offline')).toMatchObject({
      exit: 0,
      stdout: `${registry.host}/${NAME}:8x7b\n`,
    });
    unlinkSync(blobPath(weightsOf(big)));
    expect(await pull(name(), '--offline')).toMatchObject({ exit: 4, stdout: '' });
    expect(registry.log).toEqual([]);
  });
});

test('--json: the last line has the name, and where the store is', async () => {
  const run = await pull(name(), '--json');
  expect(jsonLines(run.stdout).at(-1)).toMatchObject({
    event: 'done',
    path: store(),
    name: `${registry.host}/${NAME}:8x7b`,
    commit: big.digest,
    files: 5,
  });
});

describe('is a usage error', () => {
  test.each([
    ['--local-dir', 'x'],
    ['--cache'],
    ['--cache-dir', 'x'],
    ['--lock', 'x.lock'],
    ['--lock', 'x.lock', '--frozen'],
    ['--frozen'],
    ['--prune'],
    ['--shard', '1/2'],
    ['--include', '*.gguf'],
    ['--exclude', '*.gguf'],
    ['--replace-repo'],
    ['model.gguf'],
  ])('with %s %s', async (...words) => {
    const run = await pull(name(), ...words.filter((word) => word !== undefined));
    expect(run).toMatchObject({ exit: 2, stdout: '' });
    expect(registry.log).toEqual([]);
    expect(filesIn(workspace.home)).toEqual([]);
  });

  test.each([
    'oci://127.0.0.1:1/library/mixtral:8x7b',
    `ollama://127.0.0.1:1/library/mixtral@sha256:${'0'.repeat(64)}`,
    'datasets/nyu-mll/glue',
    'owner/name@refs/pr/1',
    'gpt2',
    'https://huggingface.co/owner/name/blob/main/x.gguf',
  ])('for %s', async (what) => {
    expect(await pull(what)).toMatchObject({ exit: 2, stdout: '' });
  });
});

describe('two runs at once', () => {
  test('of one model: each ends 0 or 9, and the store is right', async () => {
    const runs = await Promise.all([pull(name()), pull(name()), pull(name())]);
    for (const { exit } of runs) expect([0, 9]).toContain(exit);
    expect(runs.some(({ exit }) => exit === 0)).toBe(true);
    expect(await differences({ '8x7b': big })).toEqual([]);
  });

  test('of two models: both are there', async () => {
    const runs = await Promise.all([pull(name()), pull(name(':latest'))]);
    expect(runs.map(({ exit }) => exit)).toEqual([0, 0]);
    expect(await differences({ '8x7b': big, latest: small })).toEqual([]);
  });
});

describe('verify --ollama', () => {
  const verify = (...words: string[]) => workspace.run(['verify', '--ollama', ...words]);
  const plain = () => `${registry.host}/${NAME}:8x7b`;

  test('re-hashes every blob, without a request', async () => {
    await pull(name());
    registry.log.length = 0;
    expect(await verify(plain())).toMatchObject({ exit: 0, stdout: `${plain()}\n` });
    expect(await verify(name())).toMatchObject({ exit: 0, stdout: `${plain()}\n` });
    expect(registry.log).toEqual([]);
  });

  test('names what is wrong, and --repair mends it', async () => {
    await pull(name());
    const [weights, template] = [...big.blobs.keys()] as [string, string];
    const content = readFileSync(blobPath(weights));
    content[5] = content[5]! ^ 1;
    const { atime, mtime } = statSync(blobPath(weights));
    writeFileSync(blobPath(weights), content);
    utimesSync(blobPath(weights), atime, mtime);
    unlinkSync(blobPath(template));
    const found = await verify(plain(), '--json');
    expect(found.exit).toBe(7);
    expect(JSON.parse(found.stdout)).toMatchObject({
      ok: false,
      missing: [{ path: `blobs/${template.replace(':', '-')}` }],
      changed: [{ path: `blobs/${weights.replace(':', '-')}` }],
    });
    const repaired = await verify(plain(), '--repair');
    expect(repaired).toMatchObject({ exit: 0, stdout: `${plain()}\n` });
    expect(await differences({ '8x7b': big })).toEqual([]);
  });

  test('--repair goes by the manifest in the store, also when the tag has moved', async () => {
    await pull(name());
    registry.move(NAME, 'kept', big);
    registry.move(NAME, '8x7b', small);
    unlinkSync(blobPath(weightsOf(big)));
    expect((await verify(plain(), '--repair')).exit).toBe(0);
    expect(await differences({ '8x7b': big })).toEqual([]);
  });

  test('a model that is not there is 4, a damaged manifest 7, no name 2', async () => {
    expect(await verify(plain())).toMatchObject({ exit: 4, stdout: '' });
    expect((await verify('mixtral')).exit).toBe(4);
    await pull(name());
    writeFileSync(join(store(), 'manifests', pathOf('8x7b')), big.manifest.subarray(9));
    expect(await verify(plain())).toMatchObject({ exit: 7, stdout: '' });
    expect(await verify()).toMatchObject({ exit: 2, stdout: '' });
    expect(await verify(plain(), '--repo', 'a/b')).toMatchObject({ exit: 2, stdout: '' });
    expect((await verify('../../x')).exit).toBe(2);
  });
});
