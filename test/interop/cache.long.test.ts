import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { scanCacheDir, snapshotDownload } from '@huggingface/hub';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { compareWithTruth } from '../support/hub/compare.ts';
import { MISTRAL_GPTQ, MISTRAL_GPTQ_BRANCHES, mistralGptq } from '../support/hub/fixtures/mistral-gptq.ts';
import { oddNames } from '../support/hub/fixtures/odd.ts';
import { gpt2, manyRevisions, squad } from '../support/hub/fixtures/various.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { Workspace } from '../support/run-program.ts';
import { findPython, type PythonRun, runHf, runPython } from './python.ts';

const environment = findPython();
const missing = 'missing' in environment ? environment.missing : undefined;
const python = 'python' in environment ? environment.python : '';

const OFFLINE = { HF_HUB_OFFLINE: '1' };
const LOOK = `
import json, sys
from huggingface_hub import snapshot_download, try_to_load_from_cache
given = json.loads(sys.argv[1])
directory = snapshot_download(given["repo"], revision=given["revision"], local_files_only=True)
found = [try_to_load_from_cache(given["repo"], name, revision=given["revision"]) for name in given["names"]]
print(json.dumps([directory, found]))
`;

interface Client {
  readonly workspace: Workspace;
  /** HF_HOME of both programs. */
  readonly home: string;
  readonly cache: string;
  fetch(...words: string[]): Promise<string>;
  hf(words: readonly string[], variables?: Record<string, string>): Promise<string>;
  /** What huggingface_hub finds without the network. */
  look(repo: string, revision: string, names: readonly string[]): Promise<[string, (string | null)[]]>;
  /** Bytes of files that the hub has sent since this was called last. */
  fileBytes(): number;
}

let hub: Hub;

async function client(of: Hub = hub): Promise<Client> {
  const workspace = await Workspace.open({ endpoint: of.origin });
  onTestFinished(() => workspace[Symbol.asyncDispose]());
  const home = workspace.path('hf');
  const setting = (variables: Record<string, string> = {}): PythonRun => {
    return { python, endpoint: of.origin, home, environment: variables };
  };
  of.log.clear();
  return {
    workspace,
    home,
    cache: join(home, 'hub'),
    fetch: async (...words) => {
      const { stdout, stderr, exit } = await workspace.run([...words, '--quiet'], { env: { HF_HOME: home } });
      expect(stderr).toBe('');
      expect(exit).toBe(0);
      return stdout.trimEnd();
    },
    hf: async (words, variables) => {
      const { stdout, stderr } = await runHf(setting(variables), words);
      // The hub tells people without a token so, and hf passes it on.
      const own = stderr.replace(/^Warning: You are sending unauthenticated requests.*$/m, '');
      expect(own.toLowerCase()).not.toMatch(/warn|corrupt|error/);
      return stdout.trim();
    },
    look: async (repo, revision, names) =>
      JSON.parse(await runPython(setting(OFFLINE), LOOK, { repo, revision, names })) as Awaited<
        ReturnType<Client['look']>
      >,
    fileBytes: () => {
      const bytes = of.log.bytesSent('cdn') + of.log.bytesSent({ kind: 'resolve-cache' });
      of.log.clear();
      return bytes;
    },
  };
}

if (missing !== undefined) {
  console.warn(`SKIPPED: the cache is not shared with huggingface_hub here: ${missing}`);
  test.skip(`huggingface_hub is not tried here: ${missing}`, () => {});
}

describe.skipIf(missing !== undefined)('the central cache', () => {
  beforeAll(async () => {
    hub = await startHub({
      repositories: [mistralGptq(), manyRevisions(), oddNames(), squad(), gpt2()],
      pageSize: 50,
    });
  });
  afterAll(() => hub.close());

  test.each([
    ['tests/revisions', 'gptq/8bit', 'model'],
    ['tests/revisions', 'refs/pr/1', 'model'],
    ['tests/revisions', 'v1.0', 'model'],
    ['tests/odd-names', 'main', 'model'],
    ['gpt2', 'main', 'model'],
    ['tests/squad', 'main', 'dataset'],
  ] as const)('%s at %s, brought by fetch, is found by hf offline', async (repo, revision, type) => {
    const { fetch, hf, cache, fileBytes } = await client();
    const truth = await hub.truth(repo, revision, type);
    const snapshot = await fetch(repo, '--revision', revision, '--cache', '--repo-type', type);
    expect(await compareWithTruth(snapshot, truth)).toEqual([]);
    expect(fileBytes()).toBeGreaterThan(0);
    const words = ['download', repo, '--revision', revision, '--repo-type', type, '--quiet'];
    expect(await hf(words, OFFLINE)).toContain(snapshot);
    expect(await hf(words)).toContain(snapshot);
    expect(fileBytes()).toBe(0);
    const listed = JSON.parse(
      await hf(['cache', 'ls', '--revisions', '--show-warnings', '--format', 'json']),
    );
    expect(listed).toHaveLength(1);
    await hf([
      'cache',
      'verify',
      repo,
      '--revision',
      revision,
      '--repo-type',
      type,
      '--fail-on-missing-files',
    ]);
    const scanned = await scanCacheDir(cache);
    expect(scanned.warnings).toEqual([]);
    expect(scanned.repos).toHaveLength(1);
  });

  test('a commit without a ref is a whole repository to all of them', async () => {
    const { fetch, look, hf, cache } = await client();
    const commit = hub.repository('tests/revisions').commitOf('main').id;
    const snapshot = await fetch('tests/revisions', '--revision', commit, '--cache');
    expect(await look('tests/revisions', commit, [])).toEqual([snapshot, []]);
    await hf(['cache', 'ls', '--show-warnings']);
    expect((await scanCacheDir(cache)).warnings).toEqual([]);
  });

  test('some files only are some files to hf as well', async () => {
    const { fetch, hf, look } = await client();
    const file = await fetch('tests/revisions', 'README.md', '--cache');
    expect(await hf(['download', 'tests/revisions', 'README.md', '--quiet'], OFFLINE)).toContain(file);
    // It knows from the listing that there is more.
    await expect(look('tests/revisions', 'main', [])).rejects.toThrow('IncompleteSnapshotError');
    await hf(['cache', 'ls', '--show-warnings']);
  });

  test('the branches of one repository share their blobs, and all of them are found', async () => {
    const { fetch, look, hf, cache } = await client();
    const directory = join(cache, 'models--TheBloke--Mistral-7B-Instruct-v0.1-GPTQ');
    for (const { branch } of MISTRAL_GPTQ_BRANCHES) {
      const snapshot = await fetch(MISTRAL_GPTQ, '--revision', branch, '--cache');
      expect(await compareWithTruth(snapshot, await hub.truth(MISTRAL_GPTQ, branch))).toEqual([]);
      const names = ['config.json', 'model.safetensors'];
      expect(await look(MISTRAL_GPTQ, branch, names)).toEqual([
        snapshot,
        names.map((name) => join(snapshot, name)),
      ]);
      const link = readlinkSync(join(snapshot, 'model.safetensors'));
      expect(link).toMatch(/^\.\.\/\.\.\/blobs\/[0-9a-f]{64}$/);
      const ref = readFileSync(join(directory, 'refs', branch), 'utf8');
      expect(ref).toBe(hub.repository(MISTRAL_GPTQ).commitOf(branch).id);
    }
    const files = await hub.truth(MISTRAL_GPTQ, 'main');
    expect(readdirSync(join(directory, 'blobs')).length).toBeLessThan(2 * files.length);
    expect(readdirSync(join(directory, 'refs')).toSorted()).toEqual(
      MISTRAL_GPTQ_BRANCHES.map(({ branch }) => branch).toSorted(),
    );
    expect(readdirSync(cache).toSorted()).toEqual([
      '.locks',
      'CACHEDIR.TAG',
      'models--TheBloke--Mistral-7B-Instruct-v0.1-GPTQ',
    ]);
    const listed = JSON.parse(
      await hf(['cache', 'ls', '--revisions', '--show-warnings', '--format', 'json']),
    );
    expect(listed).toHaveLength(MISTRAL_GPTQ_BRANCHES.length);
    expect((await scanCacheDir(cache)).warnings).toEqual([]);
  });

  test('what hf has put there is not fetched again', async () => {
    const { fetch, hf, fileBytes } = await client();
    const theirs = await hf(['download', MISTRAL_GPTQ, '--quiet']);
    expect(fileBytes()).toBeGreaterThan(0);
    const ours = await fetch(MISTRAL_GPTQ, '--cache');
    expect(fileBytes()).toBe(0);
    expect(theirs).toContain(ours);
    expect(await compareWithTruth(ours, await hub.truth(MISTRAL_GPTQ, 'main'))).toEqual([]);
    // Another branch: only what no other has.
    await fetch(MISTRAL_GPTQ, '--cache', '--revision', 'gptq-8bit-32g-actorder_True');
    const asked = new Set(hub.log.where({ kind: 'resolve' }).map((entry) => entry.path));
    expect([...asked]).not.toContain('tokenizer.json');
    expect(asked.size).toBeGreaterThan(0);
  });

  test('what hf has put there answers offline, and satisfies a lock, without a request', async () => {
    const { fetch, hf, look } = await client();
    const theirs = await hf(['download', MISTRAL_GPTQ, '--quiet']);
    hub.log.clear();
    const ours = await fetch(MISTRAL_GPTQ, '--cache', '--offline');
    expect(theirs).toContain(ours);
    expect(await compareWithTruth(ours, await hub.truth(MISTRAL_GPTQ, 'main'))).toEqual([]);
    expect(hub.log.count()).toBe(0);
    // And a frozen one of ours is found by theirs under the name of the branch.
    await fetch('tests/revisions', '--cache', '--lock', 'cache.lock');
    const frozen = await fetch('tests/revisions', '--cache', '--lock', 'cache.lock', '--frozen');
    const [found] = await look('tests/revisions', 'main', ['README.md']);
    expect(found).toBe(frozen);
  });

  test('at the same time as hf, both end well, and what there is is right', async () => {
    await using slow = await startHub({
      repositories: [mistralGptq({ scale: 0.002 })],
      bytesPerSecond: 4_000_000,
    });
    const { fetch, hf, cache } = await client(slow);
    const [ours, theirs] = await Promise.all([
      fetch(MISTRAL_GPTQ, '--cache'),
      hf(['download', MISTRAL_GPTQ, '--quiet']),
    ]);
    expect(theirs).toContain(ours);
    expect(await compareWithTruth(ours, await slow.truth(MISTRAL_GPTQ, 'main'))).toEqual([]);
    await hf(['cache', 'ls', '--show-warnings']);
    await hf(['cache', 'verify', MISTRAL_GPTQ, '--fail-on-missing-files']);
    expect((await scanCacheDir(cache)).warnings).toEqual([]);
    const blobs = readdirSync(join(cache, 'models--TheBloke--Mistral-7B-Instruct-v0.1-GPTQ', 'blobs'));
    expect(blobs.filter((name) => name.endsWith('.incomplete'))).toEqual([]);
  });

  test('@huggingface/hub is content as well', async () => {
    const { fetch, cache, fileBytes } = await client();
    const ours = await fetch('tests/revisions', '--cache');
    fileBytes();
    const repo = { type: 'model', name: 'tests/revisions' } as const;
    expect(await snapshotDownload({ repo, cacheDir: cache, hubUrl: hub.origin })).toBe(ours);
    expect(fileBytes()).toBe(0);
  });

  test('without links there are files, and hf finds them', async () => {
    const { workspace, home, look, fileBytes } = await client();
    const env = { HF_HOME: home, HF_HUB_DISABLE_SYMLINKS: '1' };
    for (const expectation of ['some', 'none']) {
      const run = await workspace.run(['tests/revisions', '--cache'], { env });
      expect(run.exit).toBe(0);
      const snapshot = run.stdout.trimEnd();
      expect(await compareWithTruth(snapshot, await hub.truth('tests/revisions', 'main'))).toEqual([]);
      expect(() => readlinkSync(join(snapshot, 'README.md'))).toThrow('EINVAL');
      expect((await look('tests/revisions', 'main', ['README.md']))[0]).toBe(snapshot);
      expect(fileBytes() > 0 ? 'some' : 'none').toBe(expectation);
    }
  });

  test('hf cache prune takes nothing of an unfinished download, which goes on afterwards', async () => {
    await using slow = await startHub({ repositories: [mistralGptq({ scale: 0.005 })] });
    const { workspace, home, hf, cache, fetch } = await client(slow);
    const env = { HF_HOME: home };
    const words = [MISTRAL_GPTQ, '--cache', '--limit-rate', '6M', '--json'];
    const run = workspace.start(words, { env });
    const held = () =>
      Math.max(0, ...Array.from(run.stdout.matchAll(/"bytes":(\d+),"total"/g), ([, n]) => Number(n)));
    await run.until('a part of it is here', () => held() > 8_000_000);
    run.kill('SIGKILL');
    await run.ended;
    const repo = 'models--TheBloke--Mistral-7B-Instruct-v0.1-GPTQ';
    const left = () => ({
      parts: readdirSync(join(cache, '.locks/fetch', repo, 'parts')),
      finished: readdirSync(join(cache, repo, 'blobs')),
    });
    const before = left();
    expect(before.parts.length).toBeGreaterThan(0);
    expect(before.finished.length).toBeGreaterThan(0);
    expect(JSON.parse(await hf(['cache', 'ls', '--show-warnings', '--format', 'json']))).toHaveLength(1);
    expect((await scanCacheDir(cache)).warnings).toEqual([]);
    await hf(['cache', 'prune', '--yes']);
    expect(left()).toEqual(before);
    slow.log.clear();
    const truth = await slow.truth(MISTRAL_GPTQ, 'main');
    const snapshot = await fetch(MISTRAL_GPTQ, '--cache');
    expect(await compareWithTruth(snapshot, truth)).toEqual([]);
    const total = truth.reduce((sum, file) => sum + file.size, 0);
    expect(slow.log.bytesSent('cdn')).toBeLessThan(total - 4_000_000);
    expect(readdirSync(join(cache, repo, 'refs'))).toEqual(['main']);
  });
});
