import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CHECK_NAMES } from '../../src/model/diagnostic.ts';
import { makeAuthority, serveTls } from '../support/authority.ts';
import type { Fault } from '../support/hub/faults/script.ts';
import { MISTRAL_GPTQ, mistralGptq } from '../support/hub/fixtures/mistral-gptq.ts';
import { guarded, manyRevisions } from '../support/hub/fixtures/various.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { type Run, Workspace } from '../support/run-program.ts';
import { startTinyproxy } from '../support/tinyproxy.ts';
import { ContentStore } from '../support/xet/content-store.ts';
import { random } from '../support/xet/contents.ts';
import { pack } from '../support/xet/pack.ts';

const TOKEN = 'hf_doctorsecret';
const REPO = MISTRAL_GPTQ;

let hub: Hub;

beforeAll(async () => {
  hub = await startHub({
    repositories: [mistralGptq({ scale: 0.002 }), manyRevisions(), ...guarded()],
    tokens: [
      { token: TOKEN, user: 'ada', access: 'all' },
      { token: 'hf_narrow', user: 'ben', access: [] },
    ],
  });
});

afterAll(() => hub.close());

interface Document {
  readonly v: number;
  readonly ok: boolean;
  readonly checks: readonly Record<'name' | 'state' | 'message' | 'hint' | 'code', string>[];
}

const parsed = (run: Run) => JSON.parse(run.stdout) as Document;
const check = (run: Run, name: string) => parsed(run).checks.find((one) => one.name === name);
const open = () => Workspace.open({ endpoint: hub.origin });

/** What differs from machine to machine. */
function plain(workspace: Workspace, text: string): string {
  return workspace
    .scrub(text)
    .replace(/[\d.]+ .?B\/s/g, '<rate>')
    .replace(/\d+ ms/g, '<time>')
    .replace(/ \((name|connection) .*?\)/, '')
    .replace(/\d+ requests left/, '<n> requests left')
    .replace(/again in \d+ s/, 'again in <s> s')
    .replace(/ at [0-9a-f]{7}:/, ' at <commit>:')
    .replace(/fetch [\d.]+, Node \S+, .*/, 'fetch <program>, Node <version>, <system>');
}

/** With a fault in the way, for one run. */
async function withFaults(faults: readonly Fault[], words: readonly string[]): Promise<Run> {
  await using workspace = await open();
  hub.faults.add(...faults);
  try {
    return await workspace.run(['doctor', ...words, '--json', '--quiet']);
  } finally {
    hub.faults.clear();
  }
}

test('all is well: a line for each check', async () => {
  await using workspace = await open();
  const run = await workspace.run(['doctor', REPO], { env: { HF_TOKEN: TOKEN } });
  expect(run.exit).toBe(0);
  expect(plain(workspace, run.stdout)).toMatchInlineSnapshot(`
    "ok       program      fetch <program>, Node <version>, <system>
    ok       settings     endpoint http://hub.test (HF_ENDPOINT)
    ok       proxy        none
    ok       names        127.0.0.1 is an address: no name to look up
    ok       connection   hub.test answers in <time>
    ok       certificate  not needed: the endpoint is this machine
    ok       clock        within a minute of that of the endpoint
    ok       token        of ada, from HF_TOKEN (read)
    ok       limits       <n> requests left (api), all of them again in <s> s
    ok       repository   TheBloke/Mistral-7B-Instruct-v0.1-GPTQ, main at <commit>: 10 files, 9.44 MB
    ok       location     model.safetensors is at cdn.test, by a signed address for 60 minutes
    ok       resolve      HEAD 302 in <time>, GET 302 in <time>
    ok       binding      bound to the range of its request (403: Auth failed: invalid range); downloads send none
    ok       ranges       cdn.test sends exactly the range of the request (<time>)
    ok       renewal      located twice, the same 1.05 MB both times
    ok       first-byte   <time> on a new connection, <time> on a kept one, aws-us-east-1
    ok       speed        one connection brings <rate>
    ok       connections  4 connections bring <rate> together
    ok       addresses    one address of 127.0.0.1
                          127.0.0.1  <time>, <rate>, aws-us-east-1
    ok       content      tokenizer.json has the hash that it is listed with (628 kB)
    skipped  chunks       this hub hands out no chunks
                          Downloads come over plain HTTP all the same, and updates fetch whole files.
    ok       directory    /work/Mistral-7B-Instruct-v0.1-GPTQ (to be made) can be written, at <rate>
    ok       space        <space> free; the whole revision has 9.44 MB
    ok       lock         no other run works on this directory
    "
  `);
  expect(run.stderr).toBe('fetch: 24 checks: 23 ok, 1 skipped\n');
  // Nothing is left behind, and nothing was downloaded.
  expect(await readdir(workspace.directory)).toEqual([]);
  expect(hub.log.tokenLeaks()).toEqual([]);
});

test('--json: one document with every check once, in their order, and no token', async () => {
  await using workspace = await open();
  const run = await workspace.run(['doctor', REPO, '--json', '--verbose'], { env: { HF_TOKEN: TOKEN } });
  expect(run.exit).toBe(0);
  const { v, ok, checks } = parsed(run);
  expect({ v, ok }).toEqual({ v: 1, ok: true });
  expect(checks.map(({ name }) => name)).toEqual(CHECK_NAMES);
  expect(Object.keys(checks[0]!)).toEqual(['name', 'state', 'message', 'details', 'hint', 'code']);
  for (const secret of [TOKEN, 'Signature=', 'Policy=', 'Key-Pair-Id']) {
    expect(`${run.stdout}${run.stderr}`).not.toContain(secret);
  }
  expect(run.stderr).toContain('fetch: hosts contacted: ');
});

test.each([80, 40])('%i columns are enough', async (columns) => {
  await using workspace = await open();
  const env = { COLUMNS: String(columns), HF_TOKEN: 'hf_unknown' };
  for (const words of [[REPO], [REPO, '--token', TOKEN], []]) {
    const { stdout } = await workspace.run(['doctor', ...words], { env });
    const lines = stdout.split('\n');
    expect(lines.length).toBeGreaterThan(CHECK_NAMES.length);
    expect(lines.filter((line) => line.length > columns)).toEqual([]);
  }
});

test('without a repository, what needs one is skipped', async () => {
  await using workspace = await open();
  const run = await workspace.run(['doctor', '--quiet']);
  expect(run).toMatchObject({ exit: 0, stderr: '' });
  const skipped = run.stdout.split('\n').filter((line) => line.startsWith('skipped'));
  expect(skipped).toHaveLength(12);
  expect(skipped[0]).toBe('skipped  repository   name a repository to look at: fetch doctor OWNER/NAME');
});

test('the address of a file is refused, not cut short', async () => {
  await using workspace = await open();
  const run = await workspace.run(['doctor', `${hub.origin}/tests/revisions/blob/main/README.md`]);
  expect(run).toMatchObject({ exit: 2, stdout: '' });
  expect(run.stderr).toContain('The address names a file');
});

test('a revision, a quantisation that is none, and options that need a repository', async () => {
  await using workspace = await open();
  const words = ['doctor', 'tests/revisions', '--revision', 'gptq/8bit', '--json', '--quiet'];
  const run = await workspace.run(words);
  expect(check(run, 'repository')?.message).toMatch(/^tests\/revisions, gptq\/8bit at .*: 2 files, 100 kB$/);
  expect(check(run, 'speed')).toMatchObject({ state: 'skipped' });
  const missing = await workspace.run(['doctor', 'tests/revisions:Q4_K_M', '--json', '--quiet']);
  expect(missing.exit).toBe(4);
  expect((await workspace.run(['doctor', '--revision', 'main'])).exit).toBe(2);
  expect((await workspace.run(['doctor', 'a/b', '--retries', '3'])).exit).toBe(2);
});

describe('the token', () => {
  test('one that the hub does not know: exit 5, and where it came from', async () => {
    await using workspace = await open();
    const run = await workspace.run(['doctor', REPO], { env: { HF_TOKEN: 'hf_unknown' } });
    expect(run.exit).toBe(5);
    expect(run.stdout).toContain(
      'failed   token        the hub does not accept the token from HF_TOKEN\n' +
        '                      Make a new one in the settings of your account',
    );
    expect(run.stderr).toMatch(
      /^fetch: 24 checks: .*\nfetch: error: 2 checks failed: token, repository\nhint: /,
    );
    expect(`${run.stdout}${run.stderr}`).not.toContain('hf_unknown');
  });

  test('one that is not enough for the repository', async () => {
    await using workspace = await open();
    const words = ['doctor', 'tests/gated', '--token', 'hf_narrow', '--json', '--quiet'];
    const run = await workspace.run(words);
    expect(run.exit).toBe(5);
    expect(check(run, 'token')).toMatchObject({ state: 'ok', message: 'of ben, from --token (read)' });
    expect(check(run, 'repository')?.message).toContain(', gated');
    expect(check(run, 'location')).toMatchObject({ state: 'failed', code: 'ACCESS' });
    expect(check(run, 'ranges')).toMatchObject({ state: 'skipped' });
  });
});

describe('the network', () => {
  test('an unknown name, and a port where no server listens', async () => {
    await using workspace = await Workspace.open();
    const nowhere = ['doctor', REPO, '--json', '--quiet', '--endpoint'];
    const unknown = await workspace.run([...nowhere, 'https://nowhere.invalid']);
    expect(unknown.exit).toBe(6);
    expect(check(unknown, 'names')).toMatchObject({ state: 'failed', code: 'NETWORK' });
    expect(check(unknown, 'directory')).toMatchObject({ state: 'ok' });
    const refused = await workspace.run([...nowhere, 'http://127.0.0.1:1']);
    expect(refused.exit).toBe(6);
    expect(check(refused, 'connection')).toMatchObject({
      state: 'failed',
      message: expect.stringMatching(/^127\.0\.0\.1:1: the connection was refused;/),
    });
    expect(check(refused, 'token')).toMatchObject({
      state: 'skipped',
      message: 'the endpoint does not answer',
    });
  });

  const cases: readonly (readonly [string, readonly Fault[], string, string, number])[] = [
    ['errors of the hub', [fault('whoami', { kind: 'status', status: 503 })], 'connection', 'warning', 0],
    [
      'a login page',
      [fault('whoami', { kind: 'redirect', location: 'http://login.test/' })],
      'connection',
      'warning',
      0,
    ],
    [
      'another time',
      [fault('whoami', { kind: 'headers', set: { Date: 'Thu, 01 Jan 2026 00:00:00 GMT' } })],
      'clock',
      'warning',
      0,
    ],
    [
      'few requests left',
      [fault('whoami', { kind: 'headers', set: { RateLimit: '"api";r=3;t=100' } })],
      'limits',
      'warning',
      0,
    ],
    [
      'one error of the listing',
      [{ on: 'tree', effect: { kind: 'status', status: 503 } }],
      'repository',
      'warning',
      0,
    ],
    ['broken listings', [fault('tree', { kind: 'status', status: 500 })], 'repository', 'failed', 6],
    ['a silent CDN', [fault('cdn', { kind: 'reset', at: 'before-head' })], 'ranges', 'failed', 6],
    ['ranges ignored', [fault('cdn', { kind: 'ignore-range' })], 'ranges', 'warning', 0],
    ['ranges with 200, as ModelScope sends them', [fault('cdn', { kind: 'part-as-200' })], 'ranges', 'ok', 0],
    [
      'ranges without Content-Range, as Artifactory sends them',
      [fault('cdn', { kind: 'headers', drop: ['Content-Range'] })],
      'ranges',
      'ok',
      0,
    ],
    ['another range', [fault('cdn', { kind: 'content-range', shift: 1 })], 'ranges', 'failed', 6],
    ['expired addresses', [fault('cdn', { kind: 'expired' })], 'ranges', 'failed', 6],
    [
      'other bytes the second time',
      [{ on: 'cdn', after: 1, effect: { kind: 'flip', offset: 4_160_000 } }],
      'renewal',
      'failed',
      7,
    ],
    ['a slow line', [fault('cdn', { kind: 'slow', bytesPerSecond: 900_000 })], 'speed', 'warning', 0],
    ['another content', [fault('resolve-cache', { kind: 'flip', offset: 100 })], 'content', 'failed', 7],
  ];
  test.each(cases)('%s', async (_what, faults, name, state, exit) => {
    const run = await withFaults(faults, [REPO]);
    expect(check(run, name)).toMatchObject({ state });
    if (state !== 'ok') expect(check(run, name)?.hint).toMatch(/\S/);
    expect(run.exit).toBe(exit);
    expect(parsed(run).ok).toBe(exit === 0);
    expect(parsed(run).checks.map((one) => one.name)).toEqual(CHECK_NAMES);
  });

  test.each<[string, readonly Fault[], readonly Fault[], string, number]>([
    ['the same', [], [], 'ok', 0],
    [
      'the store is not there',
      [fault('reconstruction', { kind: 'reset', at: 'before-head' })],
      [],
      'warning',
      0,
    ],
    ['the xorbs are not there', [fault('xorb', { kind: 'status', status: 403 })], [], 'warning', 0],
    ['other bytes', [fault('xorb', { kind: 'flip', offset: 1000 })], [], 'failed', 7],
    ['no token', [], [fault('xet-read-token', { kind: 'status', status: 404 })], 'skipped', 0],
    ['a token that is refused', [], [fault('xet-read-token', { kind: 'status', status: 403 })], 'warning', 0],
  ])('a file as chunks and over plain HTTP: %s', async (_what, atStore, atHub, state, exit) => {
    await using store = await ContentStore.start();
    const content = random(5, 300_000);
    const packed = await pack(store, content, { scheme: 'none' });
    store.faults.add(...atStore);
    await using other = await startHub({
      repositories: [{ id: 'o/n', branches: { main: [packed.file('model.bin')] } }],
      contentStore: store,
    });
    other.faults.add(...atHub);
    await using workspace = await Workspace.open({ endpoint: other.origin });
    const run = await workspace.run(['doctor', 'o/n', '--json', '--quiet']);
    expect(check(run, 'chunks')).toMatchObject({ state });
    if (state === 'ok')
      expect(check(run, 'chunks')?.message).toMatch(/model.bin: as chunks .*, the same bytes$/);
    else expect(check(run, 'chunks')?.hint).toMatch(/plain HTTP/);
    expect(run.exit).toBe(exit);
    expect(store.leaks()).toEqual([]);
  });

  test.each([400, 416, 501])('ranges refused with %i: files come whole, as in a download', async (status) => {
    const refuse: Fault = {
      on: ['cdn', 'resolve-cache'],
      times: 'always',
      ranged: true,
      effect: { kind: 'status', status },
    };
    const run = await withFaults([refuse], [REPO]);
    const host = new URL(hub.cdnOrigin).host;
    expect(check(run, 'ranges')).toMatchObject({
      state: 'warning',
      message: `${host} sends no ranges (${status}), only files from their start`,
    });
    expect(check(run, 'binding')).toMatchObject({ state: 'skipped' });
    expect(check(run, 'renewal')).toMatchObject({ state: 'ok' });
    expect(run.exit).toBe(0);
  });

  test('a refusal is told in the words of the storage', async () => {
    const body = 'Auth failed: SignatureError: invalid key pair id';
    const run = await withFaults([fault('cdn', { kind: 'status', status: 403, body })], [REPO]);
    expect(check(run, 'ranges')?.message).toContain(`answered 403 for model.safetensors: ${body}`);
    expect(check(run, 'ranges')?.hint).toContain('Only its operator can mend that');
    expect(run.exit).toBe(6);
  });

  test('--only-hosts without the CDN: the missing host is named', async () => {
    await using workspace = await open();
    const { host } = new URL(hub.origin);
    const run = await workspace.run(['doctor', REPO, '--only-hosts', host, '--json', '--quiet']);
    expect(run.exit).toBe(5);
    expect(check(run, 'settings')).toMatchObject({ state: 'warning' });
    expect(check(run, 'ranges')?.message).toContain(`${new URL(hub.cdnOrigin).host} may not be contacted`);
  });

  test('offline: this machine only', async () => {
    await using workspace = await open();
    hub.log.clear();
    const run = await workspace.run(['doctor', REPO], { env: { HF_HUB_OFFLINE: '1' } });
    expect(run.exit).toBe(0);
    expect(run.stdout).toContain(', offline (HF_HUB_OFFLINE)\n');
    expect(run.stdout).toContain('skipped  connection   offline: no request is made\n');
    expect(hub.log.count()).toBe(0);
  });

  test('an authority of one’s own: without it, what to do; with it, who signed', async (context) => {
    const authority = makeAuthority();
    if (authority === undefined) return context.skip('openssl is not installed');
    await using direct = await startHub({ repositories: [manyRevisions()], directAnswers: true });
    await using tls = await serveTls(authority, Number(new URL(direct.origin).port));
    await using workspace = await Workspace.open({ endpoint: tls.origin });
    const words = ['doctor', 'tests/revisions', '--json', '--quiet'];
    const without = await workspace.run(words);
    expect(without.exit).toBe(6);
    expect(check(without, 'connection')?.message).toContain('the certificate is not accepted');
    expect(check(without, 'connection')?.hint).toContain('NODE_EXTRA_CA_CERTS');
    const run = await workspace.run(words, { env: { SSL_CERT_FILE: authority.path } });
    expect(run.exit).toBe(0);
    expect(check(run, 'certificate')).toMatchObject({ state: 'warning' });
    expect(check(run, 'certificate')?.message).toMatch(
      /^TLSv1\.[23], signed by Our own authority, until \d{4}-\d\d-\d\d; 1 further certificate$/,
    );
  });

  test('a proxy is named, and its password is not', async (context) => {
    await using proxy = await startTinyproxy({ user: 'user', password: 'geheim' });
    if (proxy === undefined) return context.skip('tinyproxy is not installed');
    await using workspace = await open();
    const env = { http_proxy: `http://user:geheim@${proxy.address}` };
    const run = await workspace.run(['doctor', REPO, '--json', '--verbose'], { env });
    expect(run.exit).toBe(0);
    expect(check(run, 'proxy')?.message).toBe(`http://${proxy.address}, from http_proxy`);
    expect(`${run.stdout}${run.stderr}`).not.toContain('geheim');
  });
});

describe('the target', () => {
  test('a file in the way, and no permission', async (context) => {
    await using workspace = await open();
    await writeFile(workspace.path('file'), '');
    const words = ['doctor', REPO, '--json', '--quiet', '--local-dir'];
    const inTheWay = await workspace.run([...words, 'file']);
    expect(inTheWay.exit).toBe(8);
    expect(check(inTheWay, 'directory')).toMatchObject({ state: 'failed', code: 'DISK' });
    if (process.getuid?.() === 0) return context.skip('root may write everywhere');
    await mkdir(workspace.path('closed'));
    await chmod(workspace.path('closed'), 0o500);
    expect((await workspace.run([...words, 'closed'])).exit).toBe(8);
  });

  test('another run works there', async () => {
    await using workspace = await open();
    await mkdir(workspace.path('model/.cache/fetch'), { recursive: true });
    const owner = { pid: process.pid, host: hostname(), startedAt: '' };
    await writeFile(workspace.path('model/.cache/fetch/lock'), JSON.stringify(owner));
    const run = await workspace.run(['doctor', REPO, '--local-dir', 'model', '--json', '--quiet']);
    expect(run.exit).toBe(9);
    expect(check(run, 'lock')?.message).toBe(`process ${process.pid} is working on this directory`);
    // Of a process that is gone: the next run takes it over.
    await writeFile(workspace.path('model/.cache/fetch/lock'), JSON.stringify({ ...owner, pid: 2 ** 30 }));
    expect((await workspace.run(['doctor', REPO, '--local-dir', 'model', '--quiet'])).exit).toBe(0);
  });
});

test('the deadline and Ctrl-C end it', async () => {
  hub.faults.add({ on: 'whoami', times: 'always', effect: { kind: 'stall', at: 'before-head' } });
  try {
    await using workspace = await open();
    const late = await workspace.run(['doctor', REPO, '--timeout', '0.5', '--quiet']);
    expect(late.exit).toBe(6);
    expect(late.stderr).toContain('the deadline of 0.5 s has passed');
    const program = workspace.start(['doctor', REPO]);
    await program.until('the first checks', () => program.stdout.includes('names'));
    program.kill('SIGINT');
    expect(await program.ended).toMatchObject({
      exit: 130,
      stderr: 'fetch: interrupted by SIGINT; not everything was looked at\n',
    });
  } finally {
    hub.faults.clear();
  }
});

function fault(on: Fault['on'], effect: Fault['effect']): Fault {
  return { on, times: 'always', effect };
}
