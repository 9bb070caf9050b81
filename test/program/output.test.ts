import { readdir } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { compareWithTruth } from '../support/hub/compare.ts';
import { generated } from '../support/hub/content/content.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { gitFile, xetFile } from '../support/hub/repositories/file.ts';
import { slackMs } from '../support/machine.ts';
import { type JsonLine, jsonLines, PROGRAM, Workspace } from '../support/run-program.ts';

const MIB = 1 << 20;
const ID = 'tests/output';
const SIZE = 3 * MIB;

let hub: Hub;
let workspace: Workspace;

beforeEach(async () => {
  hub = await startHub({
    repositories: [
      {
        id: ID,
        branches: {
          main: [
            gitFile('config.json', '{}\n'),
            gitFile('empty.txt', ''),
            xetFile('model.safetensors', generated('output', SIZE)),
          ],
        },
      },
    ],
  });
  workspace = await Workspace.open({ endpoint: hub.origin });
});

afterEach(async () => {
  await workspace[Symbol.asyncDispose]();
  await hub.close();
});

describe('--json', () => {
  const FIELDS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    resolved: { repo: 'string', revision: 'string', commit: 'string' },
    planned: { files: 'number', bytes: 'number', held: 'number' },
    file: { path: 'string', bytes: 'number', how: 'string' },
    progress: { bytes: 'number', total: 'number', rate: 'number' },
    retry: { what: 'string', attempt: 'number', delay: 'number', code: 'string', message: 'string' },
    failed: { path: 'string', code: 'string', message: 'string' },
    done: {
      path: 'string',
      commit: 'string',
      files: 'number',
      bytes: 'number',
      fetched: 'number',
      seconds: 'number',
    },
    error: { code: 'string', exit: 'number', message: 'string', hint: 'string' },
  };

  function expectSchema(lines: readonly JsonLine[]): void {
    for (const line of lines) {
      const { event, v, ...fields } = line;
      const kinds = Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, typeof value]));
      // A hint may be null.
      if (fields['hint'] === null) kinds['hint'] = 'string';
      expect(kinds, JSON.stringify(line)).toEqual(FIELDS[event]);
    }
    const last = lines.at(-1)?.event;
    expect(['done', 'error']).toContain(last);
    expect(lines.filter(({ event }) => event === 'done' || event === 'error')).toHaveLength(1);
  }

  test('a run from the first event to the last', async () => {
    hub.settings.bytesPerSecond = 0.5 * MIB;
    hub.faults.add({ on: 'cdn', effect: { kind: 'status', status: 503 } });
    const run = await workspace.run([ID, '--json']);
    expect(run.exit).toBe(0);
    const lines = jsonLines(run.stdout);
    expectSchema(lines);
    const { id } = hub.repository(ID).commitOf('main');
    expect(lines[0]).toEqual({ event: 'resolved', v: 1, repo: ID, revision: 'main', commit: id });
    expect(lines[1]).toEqual({ event: 'planned', v: 1, files: 3, bytes: SIZE + 3, held: 0 });
    const files = lines.filter(({ event }) => event === 'file');
    expect(files.map((line) => [line['path'], line['bytes'], line['how']]).sort()).toEqual([
      ['config.json', 3, 'transferred'],
      ['empty.txt', 0, 'transferred'],
      ['model.safetensors', SIZE, 'transferred'],
    ]);
    expect(lines.filter(({ event }) => event === 'retry')).toMatchObject([{ code: 'NETWORK', attempt: 2 }]);
    const progress = lines.filter(({ event }) => event === 'progress');
    expect(progress.length).toBeGreaterThanOrEqual(1);
    expect(progress.length).toBeLessThanOrEqual(run.tookMs / 1000 + 1);
    expect(lines.at(-1)).toMatchObject({
      event: 'done',
      path: workspace.path('output'),
      commit: id,
      files: 3,
      bytes: SIZE + 3,
      fetched: SIZE + 3,
    });

    const again = jsonLines((await workspace.run([ID, '--json'])).stdout);
    expectSchema(again);
    expect(again.filter(({ how }) => how === 'kept')).toHaveLength(3);
    expect(again.at(-1)).toMatchObject({ event: 'done', fetched: 0 });
  });

  test('with one file named, the path of the file', async () => {
    const run = await workspace.run([ID, 'config.json', '--json']);
    expect(jsonLines(run.stdout).at(-1)).toMatchObject({
      event: 'done',
      path: workspace.path('output/config.json'),
    });
  });

  test.each([
    ['not found', [ID, '--revision', 'nope'], 4, 'NOT_FOUND'],
    ['no access', ['tests/absent'], 5, 'ACCESS'],
    ['usage', [`${ID}:a`, '--revision', 'b'], 2, 'USAGE'],
    ['a value that is none', [ID, '--retries', 'x'], 2, 'USAGE'],
  ] as const)(
    'an error is the last line, and the exit code is in it: %s',
    async (_name, words, exit, code) => {
      const run = await workspace.run([...words, '--json']);
      expect(run.exit).toBe(exit);
      const lines = jsonLines(run.stdout);
      expectSchema(lines);
      expect(lines.at(-1)).toMatchObject({ event: 'error', code, exit });
      expect(run.stderr).toContain('fetch: error: ');
    },
  );

  test('a file that cannot be had', async () => {
    hub.faults.add({ on: 'cdn', times: 'always', effect: { kind: 'flip', offset: 5 } });
    const run = await workspace.run([ID, '--json']);
    expect(run.exit).toBe(7);
    const lines = jsonLines(run.stdout);
    expectSchema(lines);
    expect(lines.filter(({ event }) => event === 'failed')).toMatchObject([{ path: 'model.safetensors' }]);
  });
});

describe('--dry-run', () => {
  test('prints the plan and writes nothing at all', async () => {
    const run = await workspace.run([ID, '--dry-run']);
    expect(run.exit).toBe(0);
    expect(workspace.scrub(run.stdout)).toMatchSnapshot();
    expect(workspace.scrub(run.stderr)).toMatchSnapshot();
    expect(await readdir(workspace.directory)).toEqual([]);
    expect(await readdir(workspace.home)).toEqual([]);
    expect(hub.log.entries.map(({ kind }) => kind)).toEqual(['revision', 'tree']);
  });

  test('is one JSON document with --json', async () => {
    const run = await workspace.run([ID, '--dry-run', '--json', 'config.json', 'model.safetensors']);
    expect(run.exit).toBe(0);
    const truth = await hub.truth(ID);
    const sha256 = truth.find(({ path }) => path === 'model.safetensors')?.sha256;
    const gitSha1 = expect.stringMatching(/^[0-9a-f]{40}$/) as string;
    expect(JSON.parse(run.stdout)).toEqual({
      v: 1,
      repo: { type: 'model', id: ID },
      revision: 'main',
      commit: hub.repository(ID).commitOf('main').id,
      directory: workspace.path('output'),
      files: [
        { path: 'config.json', size: 3, gitSha1, held: 0, action: 'transfer', replaces: false },
        { path: 'model.safetensors', size: SIZE, sha256, held: 0, action: 'transfer', replaces: false },
      ],
      totals: {
        files: 2,
        bytes: SIZE + 3,
        held: 0,
        fetch: SIZE + 3,
        keepFiles: 0,
        checkFiles: 0,
        fetchFiles: 2,
      },
      space: { needed: SIZE + 3, free: expect.any(Number) },
    });
    expect(await readdir(workspace.directory)).toEqual([]);
  });

  test('knows what is here, and changes nothing of it', async () => {
    expect((await workspace.run([ID, 'config.json'])).exit).toBe(0);
    const before = await readdir(workspace.directory, { recursive: true });
    hub.log.clear();
    const run = await workspace.run([ID, '--dry-run', '--json']);
    const plan = JSON.parse(run.stdout) as { files: { path: string; action: string }[] };
    expect(plan.files.map(({ path, action }) => [path, action])).toEqual([
      ['config.json', 'keep'],
      ['empty.txt', 'transfer'],
      ['model.safetensors', 'transfer'],
    ]);
    expect(await readdir(workspace.directory, { recursive: true })).toEqual(before);
    expect(hub.log.count({ kind: ['resolve', 'cdn', 'resolve-cache'] })).toBe(0);
  });
});

describe('what is said where', () => {
  test('--quiet: the path, and nothing else', async () => {
    const run = await workspace.run([ID, '--quiet']);
    expect(run).toMatchObject({ exit: 0, stdout: `${workspace.path('output')}\n`, stderr: '' });
  });

  test('--quiet: errors are still said', async () => {
    const run = await workspace.run([ID, '-q', '--revision', 'nope']);
    expect(run).toMatchObject({ exit: 4, stdout: '' });
    expect(run.stderr).toMatch(/^fetch: error: .*\nhint: .*\n$/);
  });

  test('--progress none: neither bars nor lines', async () => {
    const run = await workspace.run([ID, '--progress', 'none']);
    expect(run.exit).toBe(0);
    expect(workspace.scrub(run.stderr)).toBe(
      'fetch: the hub says: You are sending unauthenticated requests to the HF Hub. Please set a HF_TOKEN to enable higher rate limits and faster downloads.\nfetch: 3 files, 3.15 MB, all verified; fetched 3.15 MB in <time>\n',
    );
  });

  test('--progress plain: a line every few seconds, the first one early', async () => {
    hub.settings.bytesPerSecond = 0.5 * MIB;
    const run = await workspace.run([ID, '--progress', 'plain']);
    expect(run.exit).toBe(0);
    const lines = run.stderr.split('\n').filter((line) => /^fetch: \d+% /.test(line));
    expect(lines.length).toBeGreaterThanOrEqual(1);
    for (const line of lines)
      expect(line).toMatch(/^fetch: \d+% [\d.]+ .?B of 3.15 MB, [\d.]+ .?B\/s, .* left, \d of 3 files$/);
  });

  test('--verbose: requests and settings; a stack only with it', async () => {
    hub.faults.add({ on: 'tree', times: 'always', effect: { kind: 'status', status: 500 } });
    const short = await workspace.run([ID, '--retries', '1']);
    expect(short.exit).toBe(6);
    expect(short.stderr).not.toMatch(/^\s+at /m);
    const long = await workspace.run([ID, '--retries', '1', '--verbose']);
    expect(long.stderr).toMatch(/^\s+at /m);
    expect(long.stderr).toContain(`endpoint ${hub.origin} (HF_ENDPOINT)`);
    expect(long.stderr).toContain('retries 1 (--retries)');
    expect(long.stderr).toMatch(/GET http.*\/api\/models\/tests\/output\/tree\/.*: 500/);
  });

  test.each([
    ['a pipe', [], {}],
    ['a pipe, although bars were wished', ['--progress', 'bar'], {}],
    ['NO_COLOR', [], { NO_COLOR: '1' }],
    ['CI', [], { CI: 'true' }],
    ['FORCE_COLOR', [], { FORCE_COLOR: '1' }],
  ] as const)('no control codes with %s', async (_name, words, env) => {
    const run = await workspace.run([ID, ...words], { env });
    expect(run.exit).toBe(0);
    expect(run.stdout + run.stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  });

  test('a reader that goes away does no harm', async () => {
    const line = '"$0" "$@" --json | head -1';
    const run = await workspace.run(['-c', line, process.execPath, PROGRAM, ID], {
      command: ['/bin/sh'],
    });
    expect(run.exit).toBe(0);
  });
});

describe('time and tries', () => {
  test('--timeout: the deadline of the whole run, and what was fetched is kept', async () => {
    hub.settings.bytesPerSecond = 256 * 1024;
    const run = await workspace.run([ID, '--timeout', '3', '--json']);
    expect(run.exit).toBe(6);
    expect(run.tookMs).toBeLessThan(3000 + 3000 + slackMs());
    expect(run.stderr).toContain('the deadline of 3 s has passed');
    expect(run.stderr).toMatch(/ kept \(\d of 3 files complete\); run the same command again to resume\n$/);
    expect(jsonLines(run.stdout).at(-1)).toMatchObject({ event: 'error', code: 'NETWORK', exit: 6 });
    hub.settings.bytesPerSecond = undefined;
    expect((await workspace.run([ID])).exit).toBe(0);
    expect(await compareWithTruth(workspace.path('output'), await hub.truth(ID))).toEqual([]);
  });

  test('--retries 1: nothing is tried again', async () => {
    hub.faults.add({ on: 'revision', effect: { kind: 'status', status: 503 } });
    const run = await workspace.run([ID, '--retries', '1']);
    expect(run).toMatchObject({ exit: 6, stdout: '' });
    expect(hub.log.entries).toHaveLength(1);
    expect(run.stderr).toContain('gave up after 1 try');
  });

  test('an endpoint that is not there', async () => {
    const run = await workspace.run([ID, '--endpoint', 'http://127.0.0.1:1', '--retries', '1']);
    expect(run).toMatchObject({ exit: 6, stdout: '' });
    expect(run.tookMs).toBeLessThan(10_000 + slackMs());
    expect(workspace.scrub(run.stderr)).toMatchSnapshot();
    expect(await readdir(workspace.directory)).toEqual([]);
  });

  test('an endpoint whose name is not known', async () => {
    const run = await workspace.run([ID, '--endpoint', 'http://hub.invalid', '--retries', '1']);
    expect(run).toMatchObject({ exit: 6, stdout: '' });
    expect(run.stderr).toContain('hub.invalid');
  });

  test('an endpoint that never answers', async () => {
    hub.faults.add({ on: 'any', times: 'always', effect: { kind: 'stall', at: 'before-head' } });
    const run = await workspace.run([ID, '--retries', '1', '--stall-timeout', '1']);
    expect(run).toMatchObject({ exit: 6, stdout: '' });
    expect(run.tookMs).toBeLessThan(10_000 + slackMs());
    expect(run.stderr).toContain('no byte for 1 s');
  });
});

describe('mirrors', () => {
  test('one that serves the bytes itself and leaks links to the hub', async () => {
    hub.settings.directAnswers = true;
    hub.settings.leakLinks = true;
    hub.settings.pageSize = 1;
    const run = await workspace.run([ID, '--quiet']);
    expect(run).toMatchObject({ exit: 0, stderr: '' });
    expect(await compareWithTruth(workspace.path('output'), await hub.truth(ID))).toEqual([]);
    expect(hub.log.count({ kind: 'cdn' })).toBe(0);
    expect(hub.log.count({ kind: 'tree' })).toBe(3);
  });

  test('one with a path of its own is asked below it', async () => {
    const run = await workspace.run([ID, '--endpoint', `${hub.origin}/mirror/`, '--retries', '1']);
    expect(run.exit).not.toBe(0);
    expect(hub.log.entries.every(({ url }) => url.startsWith('/mirror/api/'))).toBe(true);
  });
});
