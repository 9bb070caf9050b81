import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { downloadFile, fileDownloadInfo, listFiles, modelInfo } from '@huggingface/hub';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ask } from './ask.ts';
import { compareWithTruth } from './hub/compare.ts';
import { MISTRAL_GPTQ, MISTRAL_GPTQ_BRANCHES, mistralGptq } from './hub/fixtures/mistral-gptq.ts';
import { manyFiles, oddNames } from './hub/fixtures/odd.ts';
import { gpt2, manyRevisions } from './hub/fixtures/various.ts';
import { type Hub, startHub } from './hub/hub.ts';

let hub: Hub;

beforeAll(async () => {
  hub = await startHub({
    repositories: [mistralGptq(), manyFiles(1200), oddNames(), gpt2(), manyRevisions()],
    tokens: [{ token: 'hf_reader', user: 'reader', access: 'all' }],
    pageSize: 500,
  });
});

afterAll(() => hub.close());

async function listed(repo: string, revision: string): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for await (const entry of listFiles({ repo, revision, recursive: true, hubUrl: hub.origin })) {
    if (entry.type === 'file') sizes.set(entry.path, entry.size);
  }
  return sizes;
}

describe('@huggingface/hub', () => {
  test.each(MISTRAL_GPTQ_BRANCHES.map(({ branch }) => branch))(
    'downloads every byte of %s',
    async (revision) => {
      const truth = await hub.truth(MISTRAL_GPTQ, revision);
      expect(truth).toHaveLength(10);
      expect(await listed(MISTRAL_GPTQ, revision)).toEqual(
        new Map(truth.map((file) => [file.path, file.size])),
      );
      for (const file of truth) {
        const parameters = { repo: MISTRAL_GPTQ, path: file.path, revision, hubUrl: hub.origin };
        const info = await fileDownloadInfo(parameters);
        expect(info?.size).toBe(file.size);
        // For plain LFS this client reads the headers of the last hop, and takes the CDN's etag for a hash.
        const digest = file.storage === 'git' ? file.gitSha1 : file.sha256;
        if (file.storage === 'lfs') expect(info?.etag).not.toContain(digest);
        else expect(info?.etag).toBe(`"${digest}"`);
        const blob = await downloadFile({ ...parameters, xet: false, accessToken: 'hf_reader' });
        const data = Buffer.from((await blob?.arrayBuffer()) ?? new ArrayBuffer(0));
        expect(data.equals(await file.bytes())).toBe(true);
      }
      expect(hub.log.tokenLeaks()).toEqual([]);
    },
  );

  test('pages through a long listing', async () => {
    const before = hub.log.count({ kind: 'tree' });
    expect((await listed('tests/many-files', 'main')).size).toBe(1200);
    expect(hub.log.count({ kind: 'tree' }) - before).toBe(3);
  });

  // This client trusts that header, and sends the token to the CDN: the log must show it.
  test('is caught leaking a token when the CDN names its cache', async () => {
    hub.settings.cacheHeader = true;
    const blob = await downloadFile({
      repo: MISTRAL_GPTQ,
      path: 'tokenizer.model',
      hubUrl: hub.origin,
      accessToken: 'hf_reader',
    });
    await expect(blob?.arrayBuffer()).rejects.toThrow();
    hub.settings.cacheHeader = false;
    expect(hub.log.tokenLeaks().map(({ path, status }) => [path, status])).toEqual([
      ['tokenizer.model', 400],
    ]);
    hub.log.clear();
  });

  test('would be led elsewhere by a careless mirror', async () => {
    hub.settings.leakLinks = true;
    const { headers } = await ask(`${hub.origin}/api/models/tests/many-files/tree/main?recursive=true`);
    hub.settings.leakLinks = false;
    expect(headers['link']).toMatch(
      /^<https:\/\/huggingface\.co\/api\/models\/tests\/many-files\/tree\/main\?/,
    );
  });

  test('lists odd names as they are', async () => {
    const truth = await hub.truth('tests/odd-names');
    expect([...(await listed('tests/odd-names', 'main')).keys()].sort()).toEqual(
      truth.map((file) => file.path),
    );
  });

  test('describes a model under its present name', async () => {
    const info = await modelInfo({
      name: 'gpt2',
      hubUrl: hub.origin,
      additionalFields: ['sha', 'filePaths'],
    });
    expect(info.name).toBe('openai-community/gpt2');
    expect(info.sha).toBe(hub.repository('gpt2').commitOf('main').id);
    expect(info.filePaths).toEqual(['config.json', 'model.safetensors']);
  });

  test('knows a branch with a slash', async () => {
    const info = await modelInfo({
      name: 'tests/revisions',
      revision: 'gptq/8bit',
      hubUrl: hub.origin,
      additionalFields: ['sha'],
    });
    expect(info.sha).toBe(hub.repository('tests/revisions').commitOf('gptq/8bit').id);
  });
});

test('compareWithTruth finds what is missing, extra and wrong', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'hub-truth-'));
  const truth = await hub.truth('tests/odd-names');
  for (const file of truth) {
    await mkdir(dirname(join(directory, file.path)), { recursive: true });
    await writeFile(join(directory, file.path), await file.bytes());
  }
  await mkdir(join(directory, '.cache'));
  await writeFile(join(directory, '.cache', 'ignored'), '');
  expect(await compareWithTruth(directory, truth)).toEqual([]);

  await rm(join(directory, 'with space.txt'));
  await writeFile(join(directory, 'one-byte.txt'), '12');
  await writeFile(join(directory, 'extra.txt'), '');
  const wrong = truth.find((file) => file.path === 'weights/one byte more.bin');
  const data = Buffer.from((await wrong?.bytes()) ?? '');
  data[2_000_000] = (data[2_000_000] ?? 0) ^ 1;
  await writeFile(join(directory, 'weights/one byte more.bin'), data);
  expect(await compareWithTruth(directory, truth)).toEqual(
    expect.arrayContaining([
      { path: 'with space.txt', what: 'missing' },
      { path: 'one-byte.txt', what: 'size' },
      { path: 'weights/one byte more.bin', what: 'content', offset: 2_000_000 },
      { path: 'extra.txt', what: 'extra' },
    ]),
  );
  await rm(directory, { recursive: true });
});
