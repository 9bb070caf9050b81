import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Fault } from '../support/hub/faults/script.ts';
import { MISTRAL_GPTQ, mistralGptq } from '../support/hub/fixtures/mistral-gptq.ts';
import { guarded } from '../support/hub/fixtures/various.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { readRecording } from '../support/hub/replay/recording.ts';
import { type Replay, startReplay } from '../support/hub/replay/replay.ts';
import { type Run, Workspace } from '../support/run-program.ts';

const TOKEN = 'hf_recordedsecret';
const HUGGING_FACE = join(import.meta.dirname, '../support/recordings/huggingface-2026-10.json');

let hub: Hub;

beforeAll(async () => {
  hub = await startHub({
    repositories: [mistralGptq({ scale: 0.002 }), ...guarded()],
    tokens: [{ token: TOKEN, user: 'ada', access: 'all' }],
  });
});

afterAll(() => hub.close());

interface Row {
  readonly name: string;
  readonly state: string;
  readonly message: string;
  readonly details: readonly string[];
}

const rowsOf = (run: Run) => (JSON.parse(run.stdout) as { checks: readonly Row[] }).checks;

/** What stays the same when the hub is replaced by what it had said: no times, no names, no ports. */
function plain(rows: readonly Row[]): string[] {
  const machine = new Set(['program', 'directory', 'space', 'settings', 'limits']);
  return rows
    .filter(({ name }) => !machine.has(name))
    .map(({ name, state, message, details }) => `${state} ${name}: ${[message, ...details].join(' | ')}`)
    .map((text) =>
      text
        .replace(/[\d.]+ .?B\/s/g, '<rate>')
        .replace(/\d+ ms/g, '<time>')
        .replace(/ \((?:name|connection) [^)]*\)/, '')
        .replace(/127\.0\.0\.1:\d+/g, '<host>')
        .replace(/at [0-9a-f]{7}:/, 'at <commit>:')
        .replace(/\bof (?:ada|user-\d+),/, 'of <user>,')
        .replace(/from (?:HF_TOKEN|--token)/, 'from <token>')
        .replace(/TheBloke\/[\w.-]+|tests\/\w+|name-\d+\/name-\d+/, '<repo>'),
    );
}

async function recordAndReplay(
  repo: string,
  faults: readonly Fault[] = [],
): Promise<{ before: Run; after: Run; text: string; replay: Replay }> {
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  const file = workspace.path('doctor.json');
  const env = { HF_TOKEN: TOKEN };
  hub.faults.add(...faults);
  let before: Run;
  try {
    before = await workspace.run(['doctor', repo, '--record', file, '--json'], { env });
  } finally {
    hub.faults.clear();
  }
  expect(await readdir(workspace.directory)).toEqual(['doctor.json']);
  const recording = await readRecording(file);
  await using replay = await startReplay(recording);
  const words = ['doctor', recording.repo!.id, '--endpoint', replay.origin, '--json'];
  const after = await workspace.run(words, { env: { HF_TOKEN: 'hf_another' } });
  return { before, after, text: await readFile(file, 'utf8'), replay };
}

test('a recording is replayed with the same rows', async () => {
  const { before, after, text, replay } = await recordAndReplay(MISTRAL_GPTQ);
  expect(before.stderr).toMatch(/fetch: \d+ exchanges recorded in .*doctor\.json, without tokens/);
  expect(replay.unknown).toEqual([]);
  expect(plain(rowsOf(after))).toEqual(plain(rowsOf(before)));
  expect(after.exit).toBe(before.exit);
  const secrets = [TOKEN, 'ada', 'TheBloke', 'Mistral', hub.origin, new URL(hub.origin).host, 'LOCALHUB'];
  for (const secret of secrets) expect(text).not.toContain(secret);
});

const always = (on: Fault['on'], effect: Fault['effect']): Fault => ({ on, times: 'always', effect });

test.each<[string, readonly Fault[]]>([
  ['refused bytes', [always('cdn', { kind: 'status', status: 403 })]],
  ['broken listings', [always('tree', { kind: 'status', status: 500 })]],
  ['a silent storage', [always('cdn', { kind: 'reset', at: 'before-head' })]],
  ['another range', [always('cdn', { kind: 'content-range', shift: 1 })]],
  ['a page in between', [always('whoami', { kind: 'status', status: 503 })]],
])('so is one of a hub with trouble: %s', async (_what, faults) => {
  const { before, after } = await recordAndReplay(MISTRAL_GPTQ, faults);
  const states = (run: Run) => rowsOf(run).map(({ name, state }) => `${state} ${name}`);
  expect(states(after).slice(0, -3)).toEqual(states(before).slice(0, -3));
  expect(after.exit).toBe(before.exit);
});

describe('the file', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'recording-'));
  });
  afterAll(() => rm(directory, { recursive: true }));

  test('an older recording is replaced, any other file is not', async () => {
    await using workspace = await Workspace.open({ endpoint: hub.origin });
    const words = ['doctor', '--record'];
    expect((await workspace.run([...words, 'r.json'])).exit).toBe(0);
    expect((await workspace.run([...words, 'r.json', '--quiet'])).exit).toBe(0);
    await writeFile(workspace.path('mine.json'), '{"precious": true}');
    hub.log.clear();
    const run = await workspace.run([...words, 'mine.json']);
    expect(run).toMatchObject({ exit: 2, stdout: '' });
    expect(run.stderr).toContain('already exists and is not a recording');
    expect(await readFile(workspace.path('mine.json'), 'utf8')).toBe('{"precious": true}');
    expect(hub.log.count()).toBe(0);
  });

  test('what was heard until Ctrl-C is written', async () => {
    await using workspace = await Workspace.open({ endpoint: hub.origin });
    hub.faults.add(always('tree', { kind: 'stall', at: 'before-head' }));
    try {
      const program = workspace.start(['doctor', MISTRAL_GPTQ, '--record', 'r.json']);
      await program.until('the listing', () => hub.log.count({ kind: 'tree' }) > 0);
      program.kill('SIGINT');
      expect((await program.ended).exit).toBe(130);
    } finally {
      hub.faults.clear();
    }
    const { exchanges } = await readRecording(workspace.path('r.json'));
    expect(exchanges.at(-1)?.status).toBeUndefined();
    expect(exchanges.length).toBeGreaterThan(2);
  });

  test('a text that is not a recording is refused by the replay', async () => {
    await writeFile(join(directory, 'other.json'), '{"v":1}');
    await expect(readRecording(join(directory, 'other.json'))).rejects.toThrow('not a recording');
  });
});

test('huggingface.co as it answers in October 2026', async () => {
  await using replay = await startReplay(await readRecording(HUGGING_FACE));
  await using workspace = await Workspace.open({ endpoint: replay.origin });
  const run = await workspace.run(['doctor', 'openai-community/gpt2', '--json']);
  // The recording is older than the check of chunks.
  expect(replay.unknown).toEqual([
    expect.stringMatching(/^GET huggingface.co\/api\/models\/.*\/xet-read-token\//),
  ]);
  expect(plain(rowsOf(run))).toMatchInlineSnapshot(`
    [
      "ok proxy: none",
      "ok names: 127.0.0.1 is an address: no name to look up",
      "ok connection: <host> answers in <time>",
      "ok certificate: not needed: the endpoint is this machine",
      "ok clock: within a minute of that of the endpoint",
      "ok token: none: enough for public repositories",
      "ok repository: openai-community/gpt2, main at <commit>: 4 files, 549 MB",
      "ok location: model.safetensors is at <host>, by a signed address for 60 minutes",
      "ok resolve: HEAD 302 in <time>, GET 302 in <time> | X-HF-Warning: unauthenticated You are sending unauthenticated requests to the HF Hub. Please set a HF_TOKEN to enable higher rate limits and faster downloads.",
      "ok binding: bound to the range of its request (403: Auth failed: invalid range); downloads send none",
      "ok ranges: <host> sends exactly the range of the request (<time>)",
      "ok renewal: located twice, the same 1.05 MB both times",
      "ok first-byte: <time> on a new connection, <time> on a kept one, aws-eu-west-3",
      "ok speed: one connection brings <rate>",
      "ok connections: 4 connections bring <rate> together",
      "ok addresses: one address of 127.0.0.1 | 127.0.0.1  <time>, <rate>, aws-eu-west-3",
      "ok content: tokenizer.json has the hash that it is listed with (1.36 MB)",
      "warning chunks: the hub answered 501: not in the recording: GET huggingface.co/api/models/openai-community/gpt2/xet-read-token/607a30d783dfa663caf39e06633721c8d4cfcd7e",
      "ok lock: no other run works on this directory",
    ]
  `);
});
