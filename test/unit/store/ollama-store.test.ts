import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { RemoteFile } from '../../../src/model/remote-file.ts';
import type { Publication } from '../../../src/store/store.ts';
import { MANIFEST, MIXTRAL, ollamaStore } from '../../support/ollama-store.ts';
import {
  bring,
  bytes,
  digestsOf,
  failureOf,
  finishRun,
  holdingOf,
  lfsFile,
  MIB,
  named,
  never,
  revision,
  sha256,
  snapshot,
  write,
} from '../../support/store-kit.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const place = () => join(temporaryDirectory(), 'models');
const weights = bytes(2 * MIB + 5);
const template = Buffer.from('{{ .Prompt }}');
const model = lfsFile('model.gguf', weights);
const prompt = lfsFile('template', template);
const both: readonly (readonly [RemoteFile, Buffer])[] = [
  [model, weights],
  [prompt, template],
];
const blob = (content: Buffer) => `blobs/sha256-${sha256(content)}`;
const published = (files: readonly RemoteFile[], complete = true): Publication => ({
  revision: revision(),
  files,
  listing: { files: [model, prompt], complete: true },
  complete,
});
const MANIFEST_PATH = 'manifests/registry.ollama.ai/library/mixtral/8x7b';

/** Everything but our own state, as paths with the content's hash. */
function content(models: string): Record<string, string> {
  const entries = Object.entries(snapshot(models)).filter(([path]) => !path.startsWith('.fetch'));
  return Object.fromEntries(entries.map(([path, what]) => [path, what.split(' ')[0]!]));
}

const FINISHED = {
  blobs: 'directory',
  [blob(weights)]: sha256(weights),
  [blob(template)]: sha256(template),
  manifests: 'directory',
  'manifests/registry.ollama.ai': 'directory',
  'manifests/registry.ollama.ai/library': 'directory',
  'manifests/registry.ollama.ai/library/mixtral': 'directory',
  [MANIFEST_PATH]: sha256(MANIFEST),
};

describe('a finished run', () => {
  test('leaves blobs and the manifest byte for byte, and of its own only what it hashed', async () => {
    const directory = place();
    await finishRun(ollamaStore({ directory }), both);
    expect(content(directory)).toEqual(FINISHED);
    const [records, ...others] = readdirSync(join(directory, '.fetch'));
    expect(records).toMatch(/^hashed-[0-9a-f]{16}\.jsonl$/);
    expect(others).toEqual([]);
  });

  test('is recognised by a later one without reading a byte', async () => {
    const directory = place();
    await finishRun(ollamaStore({ directory }), both);
    const store = ollamaStore({ directory });
    const { holdings } = await store.survey([model, prompt], never);
    expect([...holdings.values()]).toEqual([{ kind: 'whole' }, { kind: 'whole' }]);
    expect(store.hasManifest).toBe(true);
  });

  test('gives the modes of Ollama, and less where the umask says so', async () => {
    const modes = async (umask: number) => {
      const directory = place();
      const before = process.umask(umask);
      try {
        await finishRun(ollamaStore({ directory }), both);
      } finally {
        process.umask(before);
      }
      const paths = [blob(weights), blob(template), MANIFEST_PATH, 'blobs', 'manifests/registry.ollama.ai'];
      return paths.map((path) => (statSync(join(directory, path)).mode & 0o777).toString(8));
    };
    expect(await modes(0o022)).toEqual(['644', '644', '644', '755', '755']);
    expect(await modes(0o002)).toEqual(['644', '644', '644', '755', '755']);
    expect(await modes(0o077)).toEqual(['600', '600', '600', '700', '700']);
  });

  test('under a wide umask is recognised, too', async () => {
    const directory = place();
    const before = process.umask(0);
    try {
      await finishRun(ollamaStore({ directory }), both);
    } finally {
      process.umask(before);
    }
    expect(await holdingOf(ollamaStore({ directory }), model)).toEqual({ kind: 'whole' });
  });

  test('replaces the manifest of a tag that has moved, and leaves its old blobs to Ollama', async () => {
    const directory = place();
    await finishRun(ollamaStore({ directory }), both);
    const newer = bytes(MIB, 7);
    const manifest = Buffer.from('{"schemaVersion":2}');
    await finishRun(ollamaStore({ directory, manifest }), [[lfsFile('model.gguf', newer), newer]]);
    expect(readFileSync(join(directory, MANIFEST_PATH)).equals(manifest)).toBe(true);
    expect(existsSync(join(directory, blob(weights)))).toBe(true);
    expect(existsSync(join(directory, blob(newer)))).toBe(true);
  });

  test('keeps the spelling of a model that Ollama has already', async () => {
    const directory = place();
    const there = join(directory, 'manifests/registry.ollama.ai/library/Mixtral');
    mkdirSync(there, { recursive: true });
    writeFileSync(join(there, '8X7B'), 'old');
    await finishRun(ollamaStore({ directory }), both);
    expect(readFileSync(join(there, '8X7B')).equals(MANIFEST)).toBe(true);
    expect(readdirSync(join(directory, 'manifests/registry.ollama.ai/library'))).toEqual(['Mixtral']);
  });
});

describe('an unfinished run', () => {
  test('puts nothing into blobs: what is verified waits, and a later run takes it from there', async () => {
    const directory = place();
    const first = ollamaStore({ directory });
    await first.open();
    await bring(first, prompt, template);
    const staged = await first.stage(model);
    await write(staged, weights, 0, MIB);
    await staged[Symbol.asyncDispose]();
    await first.publish(published([prompt], false));
    await first[Symbol.asyncDispose]();
    expect(content(directory)).toEqual({});

    const second = ollamaStore({ directory });
    const { holdings } = await second.survey([model, prompt], never);
    expect([...holdings.values()]).toEqual([
      { kind: 'part', part: [{ start: 0, end: MIB }] },
      { kind: 'whole' },
    ]);
    await second.open();
    await bring(second, model, weights);
    await second.publish(published([model, prompt]));
    await second[Symbol.asyncDispose]();
    expect(content(directory)).toEqual(FINISHED);
  });

  test('that Ollama pruned has lost nothing', async () => {
    const directory = place();
    const store = ollamaStore({ directory });
    await store.open();
    await bring(store, prompt, template);
    // What `ollama serve` does at its start, with what no manifest names.
    for (const name of readdirSync(join(directory, 'blobs'))) unlinkSync(join(directory, 'blobs', name));
    await bring(store, model, weights);
    await store.publish(published([model, prompt]));
    await store[Symbol.asyncDispose]();
    expect(content(directory)).toEqual(FINISHED);
  });

  test('writes no manifest when a blob of another model was removed meanwhile', async () => {
    const directory = place();
    mkdirSync(join(directory, 'blobs'), { recursive: true });
    writeFileSync(join(directory, blob(template)), template);
    const store = ollamaStore({ directory });
    await store.open();
    await store.survey([model, prompt], never);
    await store.adopt(prompt, digestsOf(template));
    await bring(store, model, weights);
    unlinkSync(join(directory, blob(template)));
    expect(await failureOf(store.publish(published([model, prompt])))).toMatchObject({
      code: 'DISK',
    });
    await store[Symbol.asyncDispose]();
    expect(existsSync(join(directory, 'manifests'))).toBe(false);
  });
});

describe('a blob that is there already', () => {
  test('is read once, and then recognised', async () => {
    const directory = place();
    mkdirSync(join(directory, 'blobs'), { recursive: true });
    writeFileSync(join(directory, blob(weights)), weights);
    const store = ollamaStore({ directory });
    expect(await holdingOf(store, model)).toEqual({ kind: 'candidate', part: [] });
    await store.open();
    await store.adopt(model, digestsOf(weights));
    await store.publish(published([model]));
    await store[Symbol.asyncDispose]();
    expect(await holdingOf(ollamaStore({ directory }), model)).toEqual({ kind: 'whole' });
  });

  test('of another size is replaced', async () => {
    const directory = place();
    mkdirSync(join(directory, 'blobs'), { recursive: true });
    writeFileSync(join(directory, blob(weights)), 'short');
    expect(await holdingOf(ollamaStore({ directory }), model)).toEqual({ kind: 'different', part: [] });
    await finishRun(ollamaStore({ directory }), both);
    expect(content(directory)).toEqual(FINISHED);
  });

  test('that was touched since is read again', async () => {
    const directory = place();
    await finishRun(ollamaStore({ directory }), both);
    const path = join(directory, blob(weights));
    chmodSync(path, 0o600);
    expect(await holdingOf(ollamaStore({ directory }), model)).toEqual({ kind: 'candidate', part: [] });
  });
});

describe('what stands in the way', () => {
  test.each(['blobs', '.fetch', 'manifests', 'manifests/registry.ollama.ai'])(
    'a link in the place of %s is refused before anything is written',
    async (path) => {
      const directory = place();
      const outside = temporaryDirectory();
      mkdirSync(join(directory, 'manifests'), { recursive: true });
      rmSync(join(directory, path), { recursive: true, force: true });
      symlinkSync(outside, join(directory, path));
      const error = await failureOf(ollamaStore({ directory }).refuseNames([model]));
      expect(error).toMatchObject({ code: 'DISK' });
      expect(error.message).toContain(path);
      expect(readdirSync(outside)).toEqual([]);
    },
  );

  test('a link that was put there during the run is refused, and nothing is written through it', async () => {
    const directory = place();
    const outside = temporaryDirectory();
    const store = ollamaStore({ directory });
    await store.refuseNames([model, prompt]);
    await store.open();
    for (const [file, content] of both) await bring(store, file, content);
    rmSync(join(directory, 'blobs'), { recursive: true });
    symlinkSync(outside, join(directory, 'blobs'));
    expect(await failureOf(store.publish(published([model, prompt])))).toMatchObject({
      code: 'DISK',
    });
    await store[Symbol.asyncDispose]();
    expect(readdirSync(outside)).toEqual([]);
    expect(existsSync(join(directory, 'manifests'))).toBe(false);
  });

  test('the store itself may be a link', async () => {
    const real = place();
    mkdirSync(real, { recursive: true });
    const link = place();
    symlinkSync(real, link);
    const store = ollamaStore({ directory: link });
    await store.refuseNames([model, prompt]);
    await finishRun(store, both);
    expect(content(real)).toEqual(FINISHED);
  });

  test('a link to a blob elsewhere is read, and replaced where its content is wrong', async () => {
    const directory = place();
    const elsewhere = join(temporaryDirectory(), 'x.gguf');
    writeFileSync(elsewhere, 'other');
    mkdirSync(join(directory, 'blobs'), { recursive: true });
    symlinkSync(elsewhere, join(directory, blob(weights)));
    await finishRun(ollamaStore({ directory }), both);
    expect(readFileSync(elsewhere, 'utf8')).toBe('other');
    expect(content(directory)).toEqual(FINISHED);
  });

  test.each([
    { host: '..' },
    { namespace: '..' },
    { namespace: 'a.b' },
    { model: '../x' },
    { model: '.x' },
    { tag: 'a/b' },
    { tag: '' },
    { host: 'a/b' },
    { model: 'x'.repeat(81) },
  ])('a name that Ollama cannot have is refused: %j', async (part) => {
    const directory = place();
    const store = ollamaStore({ directory, name: { ...MIXTRAL, ...part } });
    expect(await failureOf(store.refuseNames([named('model.gguf')]))).toMatchObject({ code: 'DISK' });
    expect(existsSync(directory)).toBe(false);
  });
});

test('two models are brought at the same time, and share what they share', async () => {
  const directory = place();
  const one = ollamaStore({ directory });
  const other = ollamaStore({ directory, name: { ...MIXTRAL, tag: 'latest' } });
  await one.open();
  await other.open();
  for (const [file, content] of both) {
    await bring(one, file, content);
    await bring(other, file, content);
  }
  await one.publish(published([model, prompt]));
  await other.publish(published([model, prompt]));
  await one[Symbol.asyncDispose]();
  await other[Symbol.asyncDispose]();
  const latest = { [`manifests/registry.ollama.ai/library/mixtral/latest`]: sha256(MANIFEST) };
  expect(content(directory)).toEqual({ ...FINISHED, ...latest });
});
