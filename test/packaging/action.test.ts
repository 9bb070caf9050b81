import { readFileSync, statSync } from 'node:fs';
import { cp, mkdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type ActionRun, readAction, runAction } from '../support/composite-action.ts';
import { compareWithTruth } from '../support/hub/compare.ts';
import { generated } from '../support/hub/content/content.ts';
import { gpt2, manyRevisions } from '../support/hub/fixtures/various.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { gitFile, xetFile } from '../support/hub/repositories/file.ts';
import { lint } from '../support/linter.ts';
import { Workspace } from '../support/run-program.ts';

const root = join(import.meta.dirname, '../..');
const file = join(root, 'action.yml');
const action = readAction(readFileSync(file, 'utf8'));
const scripts = action.runs.steps.flatMap(({ run }) => (run === undefined ? [] : [run]));

const REPO = 'tests/revisions';
const TOKEN = 'hf_action';

const USES = /uses: [\w-]+\/[\w-]+@(.*)/g;

let hub: Hub;

beforeAll(async () => {
  hub = await startHub({
    repositories: [manyRevisions(), gpt2(), { ...gpt2(), id: 'tests/private', private: true }],
    tokens: [{ token: TOKEN, user: 'test', access: 'all' }],
  });
});

beforeEach(() => hub.log.clear());

afterAll(() => hub.close());

/** The cache of a workflow: directories by key, and the times of their files with them. */
class WorkflowCache {
  readonly keys: string[] = [];
  readonly #kept = new Map<string, string>();
  readonly #workspace: Workspace;

  constructor(workspace: Workspace) {
    this.#workspace = workspace;
  }

  /** The directories that are kept, by key, to be looked at and changed. */
  get kept(): readonly string[] {
    return [...this.#kept.values()];
  }

  async run(
    inputs: Readonly<Record<string, string>>,
    env: Record<string, string> = {},
    checkout = root,
  ): Promise<ActionRun> {
    let asked: { path: string; key: string } | undefined;
    const used = async ({ path = '', key = '' }: Readonly<Record<string, string>>) => {
      asked = { path, key };
      this.keys.push(key);
      const kept = this.#kept.get(key);
      if (kept === undefined) return { 'cache-hit': '' };
      await cp(kept, this.#workspace.path(path), { recursive: true, preserveTimestamps: true });
      return { 'cache-hit': 'true' };
    };
    const run = await runAction(action, inputs, this.#workspace, used, env, checkout);
    // A job that failed keeps nothing.
    if (run.exit === 0 && asked !== undefined && !this.#kept.has(asked.key)) {
      const kept = join(this.#workspace.root, `kept-${this.#kept.size}`);
      await cp(this.#workspace.path(asked.path), kept, { recursive: true, preserveTimestamps: true });
      this.#kept.set(asked.key, kept);
    }
    return run;
  }
}

test('has what it says, and reads inputs from the environment only', () => {
  expect(action.runs.using).toBe('composite');
  for (const { description } of [...Object.values(action.inputs), ...Object.values(action.outputs)])
    expect(description.length).toBeGreaterThan(10);
  expect(Object.keys(action.inputs).sort()).toEqual(['directory', 'lock', 'repo', 'revision', 'token']);
  expect(scripts.filter((script) => script.includes('${{'))).toEqual([]);
  for (const { run, shell } of action.runs.steps) if (run !== undefined) expect(shell).toBe('bash');
  const used = JSON.stringify(action.runs.steps.flatMap(({ env, with: given }) => [env, given]));
  for (const input of Object.keys(action.inputs)) expect(used).toContain(`{{ inputs.${input} }}`);
});

test('is what GitHub takes for an action', (context) => {
  const said = lint('check-jsonschema', ['--builtin-schema', 'vendor.github-actions', file]);
  if (said === undefined) return context.skip('check-jsonschema is not installed');
  expect(said).toBe('');
});

test('shellcheck has nothing to say against its scripts', (context) => {
  for (const script of scripts) {
    // SC2016: what is in single quotes there is JavaScript.
    const said = lint(
      'shellcheck',
      ['--shell', 'bash', '--exclude', 'SC2016', '-'],
      `set -eo pipefail\n${script}`,
    );
    if (said === undefined) return context.skip('shellcheck is not installed');
    expect(said).toBe('');
  }
});

test('fetches what is locked, and with a cache makes no request at all', async () => {
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  await workspace.run(['lock', REPO, '--quiet']);
  const cache = new WorkflowCache(workspace);
  const inputs = { repo: REPO, directory: 'some models' };
  const first = await cache.run(inputs);
  expect(first).toMatchObject({ exit: 0 });
  expect(first.outputs).toEqual({ path: workspace.path('some models'), 'cache-hit': '' });
  expect(await compareWithTruth(workspace.path('some models'), await hub.truth(REPO))).toEqual([]);

  // Another machine, on another day.
  await rm(workspace.path('some models'), { recursive: true });
  hub.log.clear();
  const second = await cache.run(inputs);
  expect(second.outputs).toEqual({ path: workspace.path('some models'), 'cache-hit': 'true' });
  expect(hub.log.count({})).toBe(0);
  expect(await compareWithTruth(workspace.path('some models'), await hub.truth(REPO))).toEqual([]);
  expect(cache.keys[1]).toBe(cache.keys[0]);
});

test('without a repository all of the lock comes, each into a directory of its own', async () => {
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  await workspace.run(['lock', REPO, 'openai-community/gpt2', '--quiet', '--lock', 'two.lock']);
  const { exit, outputs } = await new WorkflowCache(workspace).run({ lock: 'two.lock' });
  expect(exit).toBe(0);
  expect(outputs['path']).toBe(`${workspace.path('models/revisions')}\n${workspace.path('models/gpt2')}`);
  expect(
    await compareWithTruth(workspace.path('models/gpt2'), await hub.truth('openai-community/gpt2')),
  ).toEqual([]);
});

test('the key follows the lock and what of it is asked for', async () => {
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  const cache = new WorkflowCache(workspace);
  await workspace.run(['lock', `${REPO}:main`, `${REPO}:gptq/8bit`, '--quiet']);
  expect((await cache.run({ repo: REPO, directory: 'one' })).exit).toBe(0);
  expect((await cache.run({ repo: REPO, revision: 'gptq/8bit', directory: 'two' })).exit).toBe(0);
  expect(await compareWithTruth(workspace.path('two'), await hub.truth(REPO, 'gptq/8bit'))).toEqual([]);
  await workspace.run(['lock', REPO, '--quiet']);
  expect((await cache.run({ repo: REPO, directory: 'three' })).exit).toBe(0);
  expect(new Set(cache.keys).size).toBe(3);
});

test('a lock that does not hold, one that is not there, a revision of nothing', async () => {
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  const cache = new WorkflowCache(workspace);
  const missing = await cache.run({ lock: 'no.lock' });
  expect(missing).toMatchObject({ exit: 2 });
  expect(missing.said).toContain('::error::There is no lockfile no.lock.');
  await workspace.run(['lock', REPO, '--quiet']);
  expect(await cache.run({ revision: 'main' })).toMatchObject({ exit: 2 });
  expect(cache.keys).toEqual([]);
  // The commit is gone from the hub.
  const lock = JSON.parse(await readFile(workspace.path('models.lock'), 'utf8')) as { commit: string };
  lock.commit = 'f'.repeat(40);
  await rename(workspace.path('models.lock'), workspace.path('true.lock'));
  await writeFile(workspace.path('models.lock'), JSON.stringify(lock));
  const lockfileMismatch = await cache.run({ repo: REPO });
  expect(lockfileMismatch).toMatchObject({ exit: 7 });
  expect(lockfileMismatch.said).toContain('does not hold');
});

test('words of an input are words, not shell', async () => {
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  await workspace.run(['lock', REPO, '--quiet']);
  for (const words of ['"; touch pwned; "', '$(touch pwned)', '`touch pwned`', '--help']) {
    const { exit } = await new WorkflowCache(workspace).run({ repo: words });
    expect(exit).not.toBe(0);
  }
  const { outputs } = await new WorkflowCache(workspace).run({ repo: REPO, directory: '$(touch pwned)' });
  expect(outputs['path']).toBe(workspace.path('$(touch pwned)'));
  expect(workspace.has('pwned')).toBe(false);
});

test('the token comes from the input, else from the job', async () => {
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  const env = { HF_TOKEN: TOKEN };
  expect((await workspace.run(['lock', 'tests/private', '--quiet'], { env })).exit).toBe(0);
  const inputs = { repo: 'tests/private' };
  expect((await new WorkflowCache(workspace).run({ ...inputs, directory: 'a' })).exit).toBe(5);
  expect((await new WorkflowCache(workspace).run({ ...inputs, directory: 'b', token: TOKEN })).exit).toBe(0);
  const { exit, said } = await new WorkflowCache(workspace).run({ ...inputs, directory: 'c' }, env);
  expect(exit).toBe(0);
  expect(said).not.toContain(TOKEN);
  expect(hub.log.tokenLeaks()).toEqual([]);
});

test('what the cache gives back is hashed: a file that was changed in it is fetched again', async () => {
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  await workspace.run(['lock', REPO, '--quiet']);
  const cache = new WorkflowCache(workspace);
  expect((await cache.run({ repo: REPO })).exit).toBe(0);
  // Other bytes of the same length, as old as the ones before: what `tar` leaves of a cache that was tampered with.
  const truth = await hub.truth(REPO);
  for (const { path } of truth) {
    const changed = join(cache.kept[0]!, path);
    const { atime, mtime } = statSync(changed);
    const bytes = await readFile(changed);
    expect(bytes.length, path).toBeGreaterThan(0);
    bytes[bytes.length >> 1]! ^= 1;
    await writeFile(changed, bytes);
    await utimes(changed, atime, mtime);
  }
  await rm(workspace.path('models'), { recursive: true });
  expect(await cache.run({ repo: REPO })).toMatchObject({ exit: 0, outputs: { 'cache-hit': 'true' } });
  expect(await compareWithTruth(workspace.path('models'), truth)).toEqual([]);
});

test('builds its own checkout where that was not done, and no token is there meanwhile', async () => {
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  const env = { HF_TOKEN: TOKEN };
  await workspace.run(['lock', 'tests/private', '--quiet'], { env });
  const checkout = join(workspace.root, 'checkout');
  const bin = join(workspace.root, 'bin');
  await mkdir(checkout);
  await mkdir(bin);
  // Stands for npm: says where it is and what it sees, and builds.
  const npm = [
    '#!/bin/sh',
    'echo "npm $* in $(pwd), token <$HF_TOKEN$HUGGING_FACE_HUB_TOKEN$TOKEN>"',
    `if [ "$1" = run ]; then cp -r '${join(root, 'dist')}' dist; echo '{"type":"module"}' > package.json; fi`,
  ];
  await writeFile(join(bin, 'npm'), `${npm.join('\n')}\n`, { mode: 0o755 });
  const cache = new WorkflowCache(workspace);
  const path = `${bin}:${process.env['PATH']}`;
  const inputs = { repo: 'tests/private', token: TOKEN };
  const first = await cache.run(inputs, { ...env, PATH: path }, checkout);
  expect(first).toMatchObject({ exit: 0 });
  expect(first.said.split('\n').filter((line) => line.startsWith('npm '))).toEqual([
    `npm ci --include=dev --ignore-scripts --no-audit --no-fund in ${checkout}, token <>`,
    `npm run build --silent in ${checkout}, token <>`,
  ]);
  // The second time it is built.
  const second = await cache.run(inputs, { ...env, PATH: path }, checkout);
  expect(second).toMatchObject({ exit: 0 });
  expect(second.said).not.toContain('npm ');
});

test('an action of others is named by its commit', () => {
  const workflow = readFileSync(join(root, '.github/workflows/ci.yml'), 'utf8');
  const uses = [...readFileSync(file, 'utf8').matchAll(USES), ...workflow.matchAll(USES)];
  expect(uses.length).toBeGreaterThan(4);
  for (const [line, reference = ''] of uses)
    expect(reference, line).toMatch(/^[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  expect(workflow).toMatch(/^permissions:\n {2}contents: read\n\n/m);
  expect(workflow).not.toContain(': write');
});

test('a branch that moved on changes nothing', async () => {
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  await workspace.run(['lock', REPO, '--quiet']);
  const truth = await hub.truth(REPO);
  hub
    .repository(REPO)
    .setBranch('main', [
      gitFile('README.md', '# moved\n'),
      xetFile('model.safetensors', generated('new', 100_000)),
    ]);
  expect((await new WorkflowCache(workspace).run({ repo: REPO })).exit).toBe(0);
  expect(await compareWithTruth(workspace.path('models'), truth)).toEqual([]);
});
