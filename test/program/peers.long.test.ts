import { rm } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { IntervalSet } from '../../src/model/interval-set.ts';
import { compareWithTruth } from '../support/hub/compare.ts';
import { generated } from '../support/hub/content/content.ts';
import type { Fault } from '../support/hub/faults/script.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { gitFile, lfsFile, xetFile } from '../support/hub/repositories/file.ts';
import type { RepositoryDescription } from '../support/hub/repositories/repository.ts';
import { jsonLines, Workspace } from '../support/run-program.ts';
import { SMALL_FILES, startServing } from '../support/serving.ts';

const MIB = 1 << 20;
const ID = 'tests/peers';
const BIG = 24 * MIB + 12_345;
const REPOSITORY: RepositoryDescription = {
  id: ID,
  branches: {
    main: [
      ...SMALL_FILES,
      lfsFile('tokenizer.model', generated('peers tokenizer', 300_001)),
      xetFile('model.safetensors', generated('peers', BIG)),
      lfsFile('other.bin', generated('peers other', 3 * MIB)),
    ],
  },
};
const TOKEN = 'hf_the_secret_of_this_test';

/** On a busy machine a peer may answer too late for the first requests: they find a hub that does not take them. */
const NO_FILES: Fault = {
  on: ['resolve', 'cdn'],
  times: 'always',
  effect: { kind: 'status', status: 503 },
};

const startOrigin = () =>
  startHub({ repositories: [REPOSITORY], tokens: [{ token: TOKEN, user: 'alice', access: 'all' }] });
/** A mirror of the hub that sends the bytes itself, as `fetch serve` does. */
const startMirror = (...faults: Fault[]) =>
  startHub({ repositories: [REPOSITORY], directAnswers: true, faults });

/**
 * Bytes of files that a hub sent, each counted once: on a busy machine a connection may take over what another one still
 * receives, which is not what is tested here.
 */
function sentBy(hub: Hub): number {
  const byPath = new Map<string, IntervalSet>();
  for (const { path, range, bytesSent } of hub.log.where({ kind: ['cdn', 'resolve', 'resolve-cache'] })) {
    const start = Number(/^bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0);
    const sent = byPath.get(path) ?? new IntervalSet();
    sent.add({ start, end: start + bytesSent });
    byPath.set(path, sent);
  }
  return [...byPath.values()].reduce((sum, { size }) => sum + size, 0);
}

interface Outcome {
  readonly stderr: string;
  readonly done: Readonly<Record<string, unknown>>;
  readonly size: number;
}

/** One run with peers. It must end with exactly the files of the branch, and no peer may have seen the token. */
async function fetchFrom(
  hub: Hub,
  peers: readonly (Hub | string)[],
  words: readonly string[] = [],
): Promise<Outcome> {
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  const from = peers.flatMap((peer) => ['--from', typeof peer === 'string' ? peer : peer.origin]);
  const run = await workspace.run([ID, '--json', '--token', TOKEN, ...from, ...words]);
  expect(run.exit, run.stderr).toBe(0);
  const truth = await hub.truth(ID);
  expect(await compareWithTruth(workspace.path('peers'), truth)).toEqual([]);
  for (const peer of peers) {
    if (typeof peer !== 'string')
      expect(peer.log.where().map((entry) => entry.authorization)).not.toContain('valid');
    if (typeof peer !== 'string')
      expect(peer.log.where().map((entry) => entry.authorization)).not.toContain('invalid');
  }
  const done = jsonLines(run.stdout).at(-1)!;
  expect(done.event).toBe('done');
  return { stderr: run.stderr, done, size: truth.reduce((sum, file) => sum + file.size, 0) };
}

/** The lines of stderr that speak of a peer. */
const said = (stderr: string) =>
  stderr
    .split('\n')
    .filter((line) => line.startsWith('fetch: the peer'))
    .map((line) => line.replace(/127\.0\.0\.1:\d+/g, 'PEER'));

describe('bytes come from peers', () => {
  test('all of them from a fetch serve that has all', async () => {
    await using hub = await startOrigin();
    await using staged = await Workspace.open({ endpoint: hub.origin });
    expect((await staged.run([ID, '-q'])).exit).toBe(0);
    await using served = await startServing(staged, ['peers']);
    hub.log.clear();
    hub.faults.add(NO_FILES);
    const { stderr, done, size } = await fetchFrom(hub, [served.url]);
    expect(done).toMatchObject({ bytes: size, fetched: size, peers: size });
    expect(said(stderr)).toEqual([]);
    expect(hub.log.tokenLeaks()).toEqual([]);
  });

  test('those that it has from a fetch serve that lacks a file', async () => {
    await using hub = await startOrigin();
    await using staged = await Workspace.open({ endpoint: hub.origin });
    expect((await staged.run([ID, '-q'])).exit).toBe(0);
    await rm(staged.path('peers', 'model.safetensors'));
    await using served = await startServing(staged, ['peers']);
    hub.log.clear();
    const { stderr, done, size } = await fetchFrom(hub, [served.url]);
    expect(sentBy(hub)).toBe(BIG);
    expect(done).toMatchObject({ fetched: size, peers: size - BIG });
    expect(said(stderr)).toEqual([
      'fetch: the peer http://PEER does not have model.safetensors: it comes from elsewhere',
    ]);
  });

  test('none from a peer that has another repository, and from one that is not there', async () => {
    await using hub = await startOrigin();
    await using elsewhere = await startHub({
      repositories: [{ id: 'tests/another', branches: { main: [gitFile('a.txt', 'a')] } }],
    });
    await using staged = await Workspace.open({ endpoint: elsewhere.origin });
    expect((await staged.run(['tests/another', '-q'])).exit).toBe(0);
    await using other = await startServing(staged, ['another']);
    // A port that no other test gets while this one runs.
    const { stderr, done, size } = await fetchFrom(hub, [other.url, 'http://127.0.0.1:1']);
    expect(sentBy(hub)).toBe(size);
    expect(done).toMatchObject({ fetched: size, peers: 0 });
    expect(said(stderr).toSorted()).toEqual([
      'fetch: the peer http://PEER has nothing yet and is asked again: PEER: the connection was refused',
      'fetch: the peer http://PEER has nothing yet and is asked again: it does not have this revision',
    ]);
  });

  test('shared by several that have them', async () => {
    await using hub = await startOrigin();
    await using one = await startMirror();
    await using two = await startMirror();
    hub.faults.add(NO_FILES);
    const { done, size } = await fetchFrom(hub, [`${one.origin},${two.origin}`]);
    expect(done).toMatchObject({ fetched: size, peers: size });
    expect(sentBy(one)).toBeGreaterThan(0);
    expect(sentBy(two)).toBeGreaterThan(0);
    expect(sentBy(one) + sentBy(two)).toBeLessThan(1.05 * size);
  });
});

describe('a peer that does harm gets its bytes replaced by the hub', () => {
  test('one that lies', async () => {
    await using hub = await startOrigin();
    await using liar = await startMirror({
      on: 'any',
      path: 'model.safetensors',
      times: 'always',
      effect: { kind: 'flip', offset: 10 * MIB },
    });
    const { stderr } = await fetchFrom(hub, [liar]);
    expect(sentBy(hub)).toBeGreaterThanOrEqual(BIG);
    expect(sentBy(hub)).toBeLessThan(1.05 * BIG);
    expect(said(stderr)).toEqual([
      'fetch: the peer http://PEER is not used any more: it sent wrong bytes of model.safetensors',
    ]);
  });

  test('one that lies in every big file spoils the smallest of them', async () => {
    const sizes = [20 * MIB, 9 * MIB, 20 * MIB];
    const repositories: RepositoryDescription[] = [
      {
        id: ID,
        branches: {
          main: sizes.map((size, part) => lfsFile(`part-${part}.bin`, generated(`lie ${part}`, size))),
        },
      },
    ];
    await using hub = await startHub({
      repositories,
      tokens: [{ token: TOKEN, user: 'alice', access: 'all' }],
    });
    await using liar = await startHub({
      repositories,
      directAnswers: true,
      // Slow enough that all connections would have begun with all files long before the first one is known to be wrong.
      bytesPerSecond: 20_000_000,
      faults: [{ on: 'any', path: /part/, times: 'always', effect: { kind: 'flip', offset: 5 * MIB } }],
    });
    const { stderr, done } = await fetchFrom(hub, [liar]);
    expect(said(stderr)).toEqual([
      'fetch: the peer http://PEER is not used any more: it sent wrong bytes of part-1.bin',
    ]);
    expect(done).toMatchObject({ fetched: 49 * MIB, peers: 0 });
    // Less than a kilobyte is the question whether the peer has anything.
    const sent = liar.log.where({ kind: ['resolve', 'resolve-cache'] });
    const spoilt = sent.filter(({ bytesSent }) => bytesSent > 1000).map(({ path }) => path);
    expect(new Set(spoilt)).toEqual(new Set(['part-1.bin']));
  });

  test('one of two that lies, and the other one stays', async () => {
    await using hub = await startOrigin();
    await using liar = await startMirror({
      on: 'any',
      path: /other|model/,
      times: 'always',
      effect: { kind: 'rewrite', change: (body) => Buffer.alloc(body.length, 7) },
    });
    await using honest = await startMirror();
    const { stderr, done, size } = await fetchFrom(hub, [liar, honest]);
    expect(said(stderr).map((line) => line.replace(/of (other|model|tokenizer).*/, 'of it'))).toEqual([
      'fetch: the peer http://PEER is not used any more: it sent wrong bytes of it',
    ]);
    expect(stderr).toContain(`the peer ${liar.origin} is not used`);
    expect(Number(done['peers'])).toBeLessThan(size);
    // Everything that is wrong, and what was examined in vain.
    expect(sentBy(hub)).toBeLessThan(1.05 * size);
  });

  test('one that is slow beside the hub, alone', async () => {
    await using hub = await startOrigin();
    await using slow = await startHub({
      repositories: [REPOSITORY],
      directAnswers: true,
      bytesPerSecond: 20_000,
    });
    const { stderr, done, size } = await fetchFrom(hub, [slow]);
    expect(said(stderr)).toEqual([]);
    expect(Number(done['peers'])).toBeGreaterThan(0);
    expect(Number(done['peers'])).toBeLessThan(size / 2);
  });

  test.each<[string, Fault, RegExp]>([
    [
      'hangs from the beginning',
      { on: 'any', times: 'always', effect: { kind: 'stall', at: 'before-head' } },
      /did not answer/,
    ],
    [
      'hangs in the middle',
      { on: 'any', after: 2, times: 'always', effect: { kind: 'stall', at: 100_000 } },
      /is silent: its part comes from elsewhere/,
    ],
    [
      'vanishes',
      { on: 'any', after: 3, effect: { kind: 'vanish', ms: Number.POSITIVE_INFINITY } },
      /refused|reset|closed|broke off/,
    ],
    [
      'breaks off always',
      { on: 'any', times: 'always', method: 'GET', effect: { kind: 'reset', at: 1000 } },
      // A request that is written to a connection after its reset finds it closed.
      /reset|closed|broke off/,
    ],
    ['fails', { on: 'any', times: 'always', effect: { kind: 'status', status: 500 } }, /answered 500/],
    [
      'wants a login',
      { on: 'any', times: 'always', effect: { kind: 'status', status: 401 } },
      /answered 401/,
    ],
    [
      'is always busy',
      { on: 'any', times: 'always', effect: { kind: 'status', status: 503 } },
      /answered 503|^$/,
    ],
    [
      'sends other ranges',
      { on: 'any', times: 'always', method: 'GET', effect: { kind: 'content-range', shift: 5 } },
      /another range/,
    ],
    [
      'serves no ranges',
      { on: 'any', times: 'always', method: 'GET', effect: { kind: 'ignore-range' } },
      /does not serve ranges/,
    ],
    [
      'redirects to another host',
      { on: 'any', times: 'always', effect: { kind: 'redirect', location: 'http://127.0.0.1:9/elsewhere' } },
      /redirects to another host/,
    ],
  ])('one that %s', async (_what, fault, why) => {
    await using hub = await startOrigin();
    await using peer = await startMirror(fault);
    const { stderr, done, size } = await fetchFrom(hub, [peer]);
    expect(said(stderr).join('\n')).toMatch(why);
    expect(said(stderr).length).toBeLessThanOrEqual(2);
    const fromPeers = Number(done['peers']);
    expect(fromPeers).toBeLessThan(size);
    expect(sentBy(hub)).toBeGreaterThanOrEqual(size - fromPeers);
    expect(sentBy(hub)).toBeLessThan(size - fromPeers + 0.05 * size);
  });
});

describe('offline, the peers say what a revision is', () => {
  const fetchOffline = (workspace: Workspace, peers: readonly string[], words: readonly string[] = []) =>
    workspace.run([ID, '--offline', '--json', ...peers.flatMap((peer) => ['--from', peer]), ...words]);

  test('from the first that knows it, with the hub never asked', async () => {
    await using hub = await startOrigin();
    await using staged = await Workspace.open({ endpoint: hub.origin });
    expect((await staged.run([ID, '-q'])).exit).toBe(0);
    await using served = await startServing(staged, ['peers']);
    await using gone = await startMirror();
    await gone.close();
    hub.log.clear();
    await using workspace = await Workspace.open({ endpoint: hub.origin });
    const run = await fetchOffline(workspace, [gone.origin, served.url]);
    expect(run.exit, run.stderr).toBe(0);
    const truth = await hub.truth(ID);
    expect(await compareWithTruth(workspace.path('peers'), truth)).toEqual([]);
    expect(run.stderr).toContain(`offline: commit, listing and hashes come from the peer ${served.url}`);
    const size = truth.reduce((sum, file) => sum + file.size, 0);
    expect(jsonLines(run.stdout).at(-1)).toMatchObject({ event: 'done', fetched: size, peers: size });
    expect(hub.log.entries).toEqual([]);
    // What is recorded here is enough when no peer answers.
    served.program.kill('SIGINT');
    await served.program.ended;
    const again = await fetchOffline(workspace, [served.url]);
    expect(again.exit, again.stderr).toBe(0);
    expect(again.stderr).toContain('going by what is recorded here');
    expect(hub.log.entries).toEqual([]);
  });

  test('what no peer has is not found, and peers that are gone are a failure of the network', async () => {
    await using peer = await startMirror();
    await using workspace = await Workspace.open();
    const run = await fetchOffline(workspace, [peer.origin], ['--revision', 'no-such-branch']);
    expect(run.exit).toBe(4);
    await peer.close();
    expect((await fetchOffline(workspace, [peer.origin])).exit).toBe(6);
    expect(workspace.has('peers')).toBe(false);
  });

  test('a redirect of a peer to another host is not followed', async () => {
    await using other = await startMirror();
    await using peer = await startHub({
      repositories: [REPOSITORY],
      faults: [{ on: 'any', times: 'always', effect: { kind: 'redirect', location: other.origin } }],
    });
    await using workspace = await Workspace.open();
    expect((await fetchOffline(workspace, [peer.origin])).exit).toBe(5);
    expect(other.log.entries).toEqual([]);
  });

  test('a file that one peer sends wrong is taken from the other', async () => {
    await using liar = await startMirror({
      on: 'any',
      path: 'other.bin',
      times: 'always',
      effect: { kind: 'flip', offset: 10 },
    });
    await using honest = await startMirror();
    await using workspace = await Workspace.open();
    const run = await fetchOffline(workspace, [liar.origin, honest.origin]);
    expect(run.exit, run.stderr).toBe(0);
    expect(await compareWithTruth(workspace.path('peers'), await honest.truth(ID))).toEqual([]);
  });
});

describe('the command line', () => {
  test.each([
    [['--from', 'a:8090'], 'begins with https:// or http://'],
    [['--from', ''], 'is not an address'],
    [['--from', 'http://a:8090,'], 'is not an address'],
    [['--from', 'http://user:word@a'], 'no user and password'],
  ])('%j is a usage error', async (words, why) => {
    await using workspace = await Workspace.open();
    const run = await workspace.run([ID, ...words]);
    expect(run.exit).toBe(2);
    expect(run.stderr).toContain(why);
  });

  test('a registry has no peers', async () => {
    await using workspace = await Workspace.open();
    expect((await workspace.run(['ollama://tiny', '--from', 'http://a:8090'])).exit).toBe(2);
    expect((await workspace.run(['a/b', '--ollama', '--from', 'http://a:8090'])).exit).toBe(2);
  });

  test('a peer that --only-hosts leaves out is not contacted', async () => {
    await using hub = await startOrigin();
    await using peer = await startMirror();
    const { stderr, size } = await fetchFrom(
      hub,
      [peer],
      ['--only-hosts', `${new URL(hub.origin).host},${new URL(hub.cdnOrigin).host}`],
    );
    expect(peer.log.entries).toEqual([]);
    expect(sentBy(hub)).toBe(size);
    expect(said(stderr)).toHaveLength(1);
    expect(stderr).toContain('may not be contacted');
  });
});
