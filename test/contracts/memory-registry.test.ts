import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { MemoryRegistry, type RegistryContent } from '../support/memory-registry.ts';
import { sourceContract } from './source.contract.ts';

const CONTENT: RegistryContent = {
  'registry.example/library/tiny': {
    latest: {
      'model.gguf': Buffer.alloc(70_003, 'weights of latest '),
      template: Buffer.from('{{ .Prompt }}'),
      license: Buffer.alloc(0),
    },
    '1b-q4_0': { 'model.gguf': Buffer.alloc(5001, 'weights of 1b '), 'params.json': Buffer.from('{}') },
  },
};
const repo = { source: 'memory', type: 'model', id: 'registry.example/library/tiny' } as const;
const { signal } = new AbortController();

// The interface is not the Hub's: a source with tags, digests for ids and without branches keeps it as well.
sourceContract('a registry in memory', async () => {
  const source = await MemoryRegistry.open(CONTENT);
  const idOf = async (tag: string) => (await source.resolve(repo, tag, signal)).id;
  const [latest, small] = [await idOf('latest'), await idOf('1b-q4_0')];
  return {
    source,
    repo,
    missingRepo: { ...repo, id: 'registry.example/library/nothing' },
    revisions: [
      { name: 'latest', id: latest },
      { name: '1b-q4_0', id: small },
      { name: small, id: small },
    ],
    refs: [],
    truth: async (revision) => {
      const tag = revision === 'latest' ? 'latest' : '1b-q4_0';
      return Object.entries(CONTENT[repo.id]![tag]!).map(([path, bytes]) => ({
        path,
        size: bytes.length,
        sha256: createHash('sha256').update(bytes).digest('hex'),
        gitSha1: createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex'),
        bytes: async () => bytes,
      }));
    },
    requests: () => source.requests,
    failNext: (times) => source.failNext(times),
    stallNext: () => source.stallNext(),
    [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
  };
});

test('a revision of the registry is pinned by the digest of its manifest', async () => {
  await using source = await MemoryRegistry.open(CONTENT);
  expect((await source.resolve(repo, 'latest', signal)).id).toMatch(/^sha256:[0-9a-f]{64}$/);
});
