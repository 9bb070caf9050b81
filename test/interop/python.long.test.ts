import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compareWithTruth } from '../support/hub/compare.ts';
import { MISTRAL_GPTQ, mistralGptq } from '../support/hub/fixtures/mistral-gptq.ts';
import { manyFiles, oddNames } from '../support/hub/fixtures/odd.ts';
import { gpt2, guarded, manyRevisions, squad } from '../support/hub/fixtures/various.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { Workspace } from '../support/run-program.ts';
import { findPython, runPython } from './python.ts';

const environment = findPython();
const missing = 'missing' in environment ? environment.missing : undefined;
const python = 'python' in environment ? environment.python : '';

const SNAPSHOT = `
import json, sys
from huggingface_hub import snapshot_download
print(snapshot_download(**json.loads(sys.argv[1])))
`;
const ONE_FILE = `
import json, sys
from huggingface_hub import hf_hub_download
print(hf_hub_download(**json.loads(sys.argv[1])))
`;
const REFUSED = `
import json, sys
from huggingface_hub import snapshot_download
try:
    snapshot_download(**json.loads(sys.argv[1]))
except Exception as failure:
    print(type(failure).__name__)
`;
const LISTING_REFUSED = `
import json, sys
from huggingface_hub import HfApi
try:
    list(HfApi().list_repo_tree(**json.loads(sys.argv[1])))
except Exception as failure:
    print(type(failure).__name__)
`;

if (missing !== undefined) {
  console.warn(`SKIPPED: huggingface_hub is not tried here: ${missing}`);
  test.skip(`huggingface_hub is not tried here: ${missing}`, () => {});
}

describe.skipIf(missing !== undefined)('huggingface_hub of Python', () => {
  let hub: Hub;
  let home: string;

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'hub-python-'));
    hub = await startHub({
      repositories: [
        mistralGptq(),
        oddNames(),
        manyFiles(120),
        manyRevisions(),
        squad(),
        gpt2(),
        ...guarded(),
      ],
      tokens: [{ token: 'hf_reader', user: 'reader', access: 'all' }],
      pageSize: 50,
    });
  });

  afterAll(async () => {
    await hub.close();
    await rm(home, { recursive: true, force: true });
  });

  const run = (program: string, input: unknown, variables: Record<string, string> = {}): Promise<string> =>
    runPython({ python, endpoint: hub.origin, home, environment: variables }, program, input);

  test.each([
    [MISTRAL_GPTQ, 'main'],
    [MISTRAL_GPTQ, 'gptq-8bit-32g-actorder_True'],
    ['tests/odd-names', 'main'],
    ['tests/many-files', 'main'],
    ['tests/revisions', 'gptq/8bit'],
    ['tests/revisions', 'refs/pr/1'],
    ['tests/revisions', 'v1.0'],
    ['gpt2', 'main'],
  ])('snapshot_download of %s at %s', async (repository, revision) => {
    const truth = await hub.truth(repository, revision);
    const cached = await run(SNAPSHOT, { repo_id: repository, revision });
    expect(await compareWithTruth(cached, truth)).toEqual([]);

    const localDirectory = join(home, 'local', repository, encodeURIComponent(revision));
    await run(SNAPSHOT, { repo_id: repository, revision, local_dir: localDirectory });
    expect(await compareWithTruth(localDirectory, truth)).toEqual([]);
    expect(hub.log.tokenLeaks()).toEqual([]);
  });

  describe('a directory that both work on', () => {
    const FILES = { kind: ['resolve', 'resolve-cache', 'cdn'], method: 'GET' } as const;
    const revision = 'gptq-8bit-32g-actorder_True';

    test('what hf has put there is not fetched again', async () => {
      await using workspace = await Workspace.open({ endpoint: hub.origin });
      await run(SNAPSHOT, { repo_id: MISTRAL_GPTQ, revision, local_dir: workspace.path('model') });
      const before = hub.log.count(FILES);
      const words = [MISTRAL_GPTQ, '--revision', revision, '--local-dir', 'model'];
      const { exit, stderr } = await workspace.run(words);
      expect(stderr).toContain('nothing to fetch');
      expect(exit).toBe(0);
      expect(hub.log.count(FILES)).toBe(before);
    });

    test('and the other way round', async () => {
      await using workspace = await Workspace.open({ endpoint: hub.origin });
      const words = [MISTRAL_GPTQ, '--revision', revision, '--local-dir', 'model', '--quiet'];
      expect(await workspace.run(words)).toMatchObject({ exit: 0 });
      const before = hub.log.count(FILES);
      await run(SNAPSHOT, { repo_id: MISTRAL_GPTQ, revision, local_dir: workspace.path('model') });
      expect(hub.log.count(FILES)).toBe(before);
      expect(
        await compareWithTruth(workspace.path('model'), await hub.truth(MISTRAL_GPTQ, revision)),
      ).toEqual([]);
    });
  });

  test('a dataset', async () => {
    const cached = await run(SNAPSHOT, { repo_id: 'tests/squad', repo_type: 'dataset' });
    expect(await compareWithTruth(cached, await hub.truth('tests/squad', 'main', 'dataset'))).toEqual([]);
  });

  test('hf_hub_download of one big file by its short commit, with a token', async () => {
    const commit = hub.repository('tests/revisions').commitOf('main').id;
    const input = { repo_id: 'tests/revisions', filename: 'model.safetensors', revision: commit.slice(0, 8) };
    const path = await run(ONE_FILE, input, { HF_TOKEN: 'hf_reader' });
    const truth = await hub.truth('tests/revisions', commit);
    const expected = await truth.find((file) => file.path === 'model.safetensors')?.bytes();
    expect(expected?.equals(await readFile(path))).toBe(true);
    expect(hub.log.count({ kind: 'resolve', path: 'model.safetensors' })).toBeGreaterThan(0);
    expect(hub.log.tokenLeaks()).toEqual([]);
  });

  test('a guarded repository opens with a token only', async () => {
    const local = join(home, 'guarded');
    for (const repository of ['tests/gated', 'tests/private']) {
      const input = { repo_id: repository, local_dir: join(local, repository) };
      expect(await run(REFUSED, input)).toMatch(/Error$/);
      await run(SNAPSHOT, input, { HF_TOKEN: 'hf_reader' });
      expect(await compareWithTruth(input.local_dir, await hub.truth(repository))).toEqual([]);
    }
  });

  test('classes of errors are the ones the real Hub causes', async () => {
    const token = { HF_TOKEN: 'hf_reader' };
    expect(await run(REFUSED, { repo_id: 'tests/nowhere' }, token)).toBe('RepositoryNotFoundError');
    expect(await run(REFUSED, { repo_id: MISTRAL_GPTQ, revision: 'nope' }, token)).toBe(
      'RevisionNotFoundError',
    );
    expect(await run(LISTING_REFUSED, { repo_id: 'tests/disabled' }, token)).toBe('DisabledRepoError');
  });
});
