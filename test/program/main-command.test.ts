import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compareWithTruth } from '../support/hub/compare.ts';
import { MISTRAL_GPTQ, mistralGptq } from '../support/hub/fixtures/mistral-gptq.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { type HubFile, xetHashOf } from '../support/hub/repositories/file.ts';
import { Workspace } from '../support/run-program.ts';

const BRANCH = 'gptq-8bit-32g-actorder_True';

let hub: Hub;

beforeAll(async () => {
  hub = await startHub({ repositories: [mistralGptq({ scale: 0.003 })] });
});

afterAll(() => hub.close());

test('the command at the top of the README leaves exactly the files of the branch, and twice costs nothing', async () => {
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  const words = [MISTRAL_GPTQ, '--revision', BRANCH];
  const directory = workspace.path(`Mistral-7B-Instruct-v0.1-GPTQ_${BRANCH}`);
  const truth = await hub.truth(MISTRAL_GPTQ, BRANCH);

  const first = await workspace.run(words);
  expect(first).toMatchObject({ exit: 0, stdout: `${directory}\n` });
  expect(await compareWithTruth(directory, truth)).toEqual([]);
  expect(workspace.scrub(first.stderr)).toMatchInlineSnapshot(`
    "fetch: TheBloke/Mistral-7B-Instruct-v0.1-GPTQ, gptq-8bit-32g-actorder_True at fb1dfe1
    fetch: 10 files, 25.6 MB; to fetch: 25.6 MB
    fetch: into /work/Mistral-7B-Instruct-v0.1-GPTQ_gptq-8bit-32g-actorder_True
    fetch: the hub says: You are sending unauthenticated requests to the HF Hub. Please set a HF_TOKEN to enable higher rate limits and faster downloads.
    fetch: 10 files, 25.6 MB, all verified; fetched 25.6 MB in <time>
    "
  `);
  const size = truth.reduce((sum, file) => sum + file.size, 0);
  const carried = hub.log.bytesSent({ kind: ['cdn', 'resolve-cache'] });
  // Every byte once; a connection that was relieved of a slow range may have had some megabytes on their way.
  expect(carried).toBeGreaterThanOrEqual(size);
  expect(carried).toBeLessThanOrEqual(size + 8 * 1024 * 1024);
  expect(hub.log.count({ method: 'HEAD' })).toBe(truth.length);

  const manifest = await readFile(`${directory}/.cache/fetch/manifest.json`, 'utf8');
  expect(manifest.endsWith('}\n')).toBe(true);
  const commit = hub.repository(MISTRAL_GPTQ).commitOf(BRANCH);
  expect(JSON.parse(manifest)).toEqual({
    version: 1,
    endpoint: hub.origin,
    repo: { type: 'model', id: MISTRAL_GPTQ },
    revision: BRANCH,
    commit: commit.id,
    files: truth.map(({ path, size, sha256, gitSha1, storage }) => ({
      path,
      size,
      sha256,
      oid: storage === 'git' ? gitSha1 : sha256,
      ...(storage === 'xet' && { xet: xetHashOf(commit.files.get(path) as HubFile) }),
    })),
  });

  hub.log.clear();
  const second = await workspace.run(words);
  expect(second).toMatchObject({ exit: 0, stdout: `${directory}\n` });
  expect(workspace.scrub(second.stderr)).toMatchInlineSnapshot(`
    "fetch: TheBloke/Mistral-7B-Instruct-v0.1-GPTQ, gptq-8bit-32g-actorder_True at fb1dfe1
    fetch: 10 files, 25.6 MB; already here: 10 files, 25.6 MB; nothing to fetch
    fetch: into /work/Mistral-7B-Instruct-v0.1-GPTQ_gptq-8bit-32g-actorder_True
    fetch: 10 files, 25.6 MB, all verified; nothing to fetch
    "
  `);
  expect(hub.log.entries.map(({ kind }) => kind)).toEqual(['revision', 'tree']);
  expect(await readFile(`${directory}/.cache/fetch/manifest.json`, 'utf8')).toBe(manifest);
});

test('the four branches do not mix, and main is in a directory of the plain name', async () => {
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  for (const branch of ['gptq-4bit-32g-actorder_True', 'main']) {
    expect(await workspace.run([`${MISTRAL_GPTQ}:${branch}`, '--quiet'])).toMatchObject({
      exit: 0,
      stderr: '',
    });
  }
  for (const [name, branch] of [
    ['Mistral-7B-Instruct-v0.1-GPTQ', 'main'],
    ['Mistral-7B-Instruct-v0.1-GPTQ_gptq-4bit-32g-actorder_True', 'gptq-4bit-32g-actorder_True'],
  ] as const) {
    expect(await compareWithTruth(workspace.path(name), await hub.truth(MISTRAL_GPTQ, branch))).toEqual([]);
  }
});
