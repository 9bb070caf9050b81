import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { downloadFile, listFiles, snapshotDownload } from '@huggingface/hub';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compareWithTruth } from '../support/hub/compare.ts';
import { generated } from '../support/hub/content/content.ts';
import { manyFiles, oddNames } from '../support/hub/fixtures/odd.ts';
import { squad } from '../support/hub/fixtures/various.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { gitFile, lfsFile, xetFile } from '../support/hub/repositories/file.ts';
import { installedTool } from '../support/installed-tool.ts';
import { Workspace } from '../support/run-program.ts';
import { type ServingProgram, startServing } from '../support/serving.ts';
import { findOldPython, findPython, hasModule, runHf, runPython } from './python.ts';

const run = promisify(execFile);
const ID = 'tests/served';
const CONFIG = '{"model_type": "gpt2", "n_layer": 3}\n';
const TOKENIZER = {
  version: '1.0',
  added_tokens: [],
  model: { type: 'WordLevel', vocab: { hello: 0, world: 1, '?': 2 }, unk_token: '?' },
  pre_tokenizer: { type: 'Whitespace' },
};
const MODEL = [
  gitFile('config.json', CONFIG),
  gitFile('tokenizer.json', JSON.stringify(TOKENIZER)),
  gitFile('tokenizer_config.json', '{"tokenizer_class": "PreTrainedTokenizerFast"}\n'),
  gitFile('deep/er/notes.txt', 'notes\n'),
  gitFile('empty.txt', ''),
  lfsFile('tokenizer.model', generated('served tokenizer', 300_001)),
  xetFile('model.safetensors', generated('served', 20_000_003)),
];
const BRANCH = [...MODEL, gitFile('more.txt', 'more\n')];

let hub: Hub;
let staged: Workspace;
let served: ServingProgram;
let home: string;
let commits: { readonly main: string; readonly branch: string };
const truths = new Map<string, Awaited<ReturnType<Hub['truth']>>>();

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'served-clients-'));
  hub = await startHub({
    repositories: [
      { id: ID, branches: { main: MODEL, 'a/b': BRANCH }, tags: { 'v1.0': 'a/b' } },
      oddNames(),
      manyFiles(1200),
      squad(),
    ],
  });
  staged = await Workspace.open({ endpoint: hub.origin });
  const directories = {
    model: [ID],
    branch: [`${ID}@a/b`],
    tag: [`${ID}@v1.0`],
    odd: ['tests/odd-names'],
    many: ['tests/many-files'],
    squad: ['datasets/tests/squad'],
  };
  for (const [directory, words] of Object.entries(directories)) {
    const stage = await staged.run([...words, '--local-dir', directory]);
    if (stage.exit !== 0) throw new Error(stage.stderr);
  }
  const commitOf = async (directory: string): Promise<string> =>
    JSON.parse(await readFile(staged.path(directory, '.cache/fetch/manifest.json'), 'utf8')).commit;
  commits = { main: await commitOf('model'), branch: await commitOf('branch') };
  truths.set('main', await hub.truth(ID));
  truths.set('a/b', await hub.truth(ID, 'a/b'));
  served = await startServing(staged, Object.keys(directories));
  // The real hub is gone: what clients get now comes from the disk of `fetch serve`.
  await hub.close();
});

afterAll(async () => {
  await served[Symbol.asyncDispose]();
  await staged[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});

/** What a client may call the two revisions. */
const REVISIONS = [
  ['main', 'main', () => 'main'],
  ['a branch with a slash', 'a/b', () => 'a/b'],
  ['a tag', 'a/b', () => 'v1.0'],
  ['a commit', 'a/b', () => commits.branch],
  ['the beginning of a commit', 'main', () => commits.main.slice(0, 8)],
] as const;

const environment = findPython();
const python = 'python' in environment ? environment.python : '';
const old = findOldPython(python);
const SNAPSHOT = `
import json, sys
from huggingface_hub import snapshot_download
print(snapshot_download(**json.loads(sys.argv[1])))
`;
const PYTHONS = [
  ['newest', python, 'missing' in environment],
  ['0.23', old ?? '', old === undefined],
] as const;

describe.each(PYTHONS)('huggingface_hub of Python, %s', (version, interpreter, isMissing) => {
  const setting = () => ({ python: interpreter, endpoint: served.url, home: join(home, version) });

  test.skipIf(isMissing).each(REVISIONS)('snapshot_download by %s', async (how, truth, revision) => {
    const directory = join(home, version, how);
    await runPython(setting(), SNAPSHOT, { repo_id: ID, revision: revision(), local_dir: directory });
    expect(await differences(directory, truth)).toEqual([]);
  });

  test.skipIf(isMissing)(
    'snapshot_download into the cache, of a listing with pages, and of a dataset',
    async () => {
      const cached = await runPython(setting(), SNAPSHOT, { repo_id: ID, revision: 'a/b' });
      expect(cached).toContain(commits.branch);
      expect(await sha256(join(cached, 'model.safetensors'))).toBe(
        await sha256(staged.path('branch', 'model.safetensors')),
      );
      const many = await runPython(setting(), SNAPSHOT, { repo_id: 'tests/many-files' });
      expect(await filesBelow(many)).toEqual(await filesBelow(staged.path('many')));
      const data = await runPython(setting(), SNAPSHOT, { repo_id: 'tests/squad', repo_type: 'dataset' });
      expect(data).toContain('datasets--tests--squad');
    },
  );

  test.skipIf(isMissing)('hf download, and what an API client asks', async () => {
    const one = await runHf(setting(), ['download', ID, 'config.json', '--revision', 'a/b', '--quiet']);
    expect(await readFile(one.stdout.trim(), 'utf8')).toBe(CONFIG);
    const directory = join(home, version, 'hf');
    await runHf(setting(), ['download', ID, '--revision', 'v1.0', '--local-dir', directory, '--quiet']);
    expect(await differences(directory, 'a/b')).toEqual([]);
    const asked = await runPython(
      setting(),
      `
import json, sys
from huggingface_hub import HfApi
api, repo = HfApi(), json.loads(sys.argv[1])
refs = api.list_repo_refs(repo)
print(json.dumps({
    "sha": api.model_info(repo).sha,
    "files": sorted(api.list_repo_files(repo, revision="a/b")),
    "branches": sorted(one.name for one in refs.branches),
    "paths": [one.path for one in api.get_paths_info(repo, ["deep", "config.json"])],
    "lfs": api.get_paths_info(repo, ["tokenizer.model"])[0].lfs.size,
    "sizes": sorted(one.size for one in api.model_info(repo, files_metadata=True).siblings),
    "exists": [api.file_exists(repo, "config.json"), api.file_exists(repo, "x"), api.repo_exists("a/b"), api.revision_exists(repo, "x")],
}))
`,
      ID,
    );
    expect(JSON.parse(asked)).toEqual({
      sha: commits.main,
      files: BRANCH.map(({ path }) => path).toSorted(),
      branches: ['a/b', 'main', 'v1.0'],
      paths: ['deep', 'config.json'],
      lfs: 300_001,
      sizes: (truths.get('main') ?? []).map(({ size }) => size).toSorted((left, right) => left - right),
      exists: [true, false, false, false],
    });
  });
});

describe.skipIf(!hasModule(python, 'transformers'))('transformers', () => {
  test.each(REVISIONS)('from_pretrained by %s', async (_how, _truth, revision) => {
    const setting = { python, endpoint: served.url, home: join(home, 'transformers') };
    const said = await runPython(
      setting,
      `
import json, sys
from transformers import AutoConfig, AutoTokenizer
repo, revision = json.loads(sys.argv[1])
config = AutoConfig.from_pretrained(repo, revision=revision)
tokenizer = AutoTokenizer.from_pretrained(repo, revision=revision)
print(json.dumps([config.n_layer, tokenizer("world hello")["input_ids"]]))
`,
      [ID, revision()],
    );
    expect(JSON.parse(said.split('\n').at(-1) ?? '')).toEqual([3, [1, 0]]);
  });
});

describe('@huggingface/hub', () => {
  const at = (revision: string) => ({ repo: ID, revision, hubUrl: served.url });

  test.each(REVISIONS)('lists and downloads by %s', async (_how, truth, revision) => {
    const paths: string[] = [];
    for await (const { type, path } of listFiles({ ...at(revision()), recursive: true }))
      if (type === 'file') paths.push(path);
    expect(paths.toSorted()).toEqual((truths.get(truth) ?? []).map(({ path }) => path).toSorted());
    for (const path of ['config.json', 'model.safetensors']) {
      const blob = await downloadFile({ ...at(revision()), path });
      const bytes = Buffer.from(await blob!.arrayBuffer());
      expect(bytes.equals(await readFile(staged.path('model', path)))).toBe(true);
    }
  });

  test('snapshotDownload', async () => {
    const cacheDir = join(home, 'js');
    const path = await snapshotDownload({ ...at('a/b'), cacheDir });
    expect(path).toContain(commits.branch);
    expect(await sha256(join(path, 'model.safetensors'))).toBe(
      await sha256(staged.path('model', 'model.safetensors')),
    );
  });
});

describe('plain clients', () => {
  test('curl resumes', async () => {
    const model = await readFile(staged.path('model', 'model.safetensors'));
    const partial = join(home, 'curl');
    await writeFile(partial, model.subarray(0, 7_000_000));
    await run('curl', [
      '-sSfL',
      '-C',
      '-',
      '-o',
      partial,
      `${served.url}/${ID}/resolve/main/model.safetensors`,
    ]);
    expect((await readFile(partial)).equals(model)).toBe(true);
  });

  test('aria2c takes ranges', async ({ skip }) => {
    const aria2c = installedTool('aria2c') ?? skip('aria2c is not installed: apt-get install aria2');
    const url = `${served.url}/${ID}/resolve/main/model.safetensors`;
    await run(aria2c, ['-x', '8', '-s', '8', '-k', '1M', '--quiet', '-d', home, '-o', 'aria', url]);
    expect(await sha256(join(home, 'aria'))).toBe(await sha256(staged.path('model', 'model.safetensors')));
  });

  test('our own program, odd names too', async () => {
    await using other = await Workspace.open({ endpoint: served.url });
    expect((await other.run([`${ID}:a/b`, '--local-dir', 'copy'])).exit).toBe(0);
    expect(await differences(other.path('copy'), 'a/b')).toEqual([]);
    expect((await other.run(['tests/odd-names'])).exit).toBe(0);
  });
});

/** What a directory lacks of a revision, or has besides; huggingface_hub 0.23 keeps its records in it. */
async function differences(directory: string, truth: string): Promise<unknown> {
  await rm(join(directory, '.huggingface'), { recursive: true, force: true });
  return await compareWithTruth(directory, truths.get(truth) ?? []);
}

/** Paths of the files below a directory, but for those of `.cache`. */
async function filesBelow(directory: string): Promise<string[]> {
  const words = ['-L', '.', '-type', 'f', '-not', '-path', '*/.cache/*'];
  return (await run('find', words, { cwd: directory })).stdout.trim().split('\n').toSorted();
}

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
