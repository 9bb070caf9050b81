import type { Job } from './job.ts';
import type { PeerName } from './peers.ts';
import { COLLAPSE, type RepositoryName, type Route, SCALE, WAITS, type WaitingName } from './serving.ts';

/** Who does the work, and how. */
export interface Entry {
  readonly name: string;
  readonly peer: PeerName | 'node';
  readonly options: readonly string[];
  /** What is downloaded; undefined for a program that only starts. */
  readonly job: Job | undefined;
  /**
   * `killed`: when half of the bytes have arrived, then run again; both count. `verify`: the files are downloaded
   * before the clock runs.
   */
  readonly task: 'download' | 'killed' | 'verify';
  /** Counted rounds are no more than this, for those that take very long; undefined for all. */
  readonly maxRounds?: number;
}

export interface Scene {
  readonly id: string;
  readonly title: string;
  readonly place: 'memory' | 'disk';
  /** Name of the entry that the others are compared with. */
  readonly reference: string;
  readonly entries: readonly Entry[];
  /** Who is not in the scene although one might expect it, and why. */
  readonly leftOut: Readonly<Record<string, string>>;
  /** Rounds for each that was asked for. */
  readonly roundsFactor: number;
}

export interface SceneFacts {
  /** Of the big file. */
  readonly size: number;
  readonly count: number;
}

type JobMaker = (name: RepositoryName, route: Route) => Job;

const ALL: readonly PeerName[] = [
  ...(['curl', 'curl+openssl', 'aria2c', 'hf', 'hf_xet', 'hfdownloader', 'hub.js', 'fetch'] as const),
];

/** Every scene of the bench in the order of the tables. */
export function makeScenes({ size, count }: SceneFacts, job: JobMaker): Scene[] {
  const big = amount(size);
  const half = amount(Math.floor(size / 2));
  const quarter = amount(Math.floor(size / 4));
  const oneStream = `one connection: at 20 MB/s it needs ${Math.round(size / 20e6)} s`;
  const allPeers = (name: RepositoryName, route: Route): Entry[] =>
    ALL.map((peer) => entry(peer, job(name, route)));
  return [
    scene('http', `${big} over HTTP to memory`, 'curl', allPeers('one', 'http')),
    scene('https', `${big} over HTTPS to memory`, 'curl', allPeers('one', 'https')),
    scene('disk', `${big} over HTTP to disk`, 'curl', allPeers('one', 'http'), { place: 'disk' }),
    scene('https-disk', `${big} over HTTPS to disk`, 'curl', allPeers('one', 'https'), { place: 'disk' }),
    scene(
      'capped',
      `${big}, 20 MB/s per connection`,
      'aria2c',
      [
        entry('aria2c', job('one', 'capped')),
        entry('hfdownloader', job('one', 'capped')),
        entry('fetch', job('one', 'capped')),
      ],
      { leftOut: { curl: oneStream, 'curl+openssl': oneStream, hf: oneStream, 'hub.js': oneStream } },
    ),
    scene(
      'straggler',
      `${half}, eight connections of 20 MB/s, the third of them at 1 MB/s`,
      'fetch --connections 8, no straggler',
      [
        named(
          'fetch --connections 8, no straggler',
          entry('fetch', job('half', 'capped'), ['--connections', '8']),
        ),
        named('fetch --connections 8', entry('fetch', job('half', 'straggler'), ['--connections', '8'])),
        named('aria2c -x8, no straggler', entry('aria2c', job('half', 'capped'), ['-x8', '-s8'])),
        named('aria2c -x8', entry('aria2c', job('half', 'straggler'), ['-x8', '-s8'])),
      ],
      { leftOut: { 'curl, hf, hub.js': 'one connection: it is the straggler or there is none' } },
    ),
    scene('latency', `${quarter}, 50 ms away (25 ms each way, slow start, 3 MiB window)`, 'curl', [
      entry('curl', job('quarter', 'far')),
      entry('curl+openssl', job('quarter', 'far')),
      entry('aria2c', job('quarter', 'far')),
      entry('hf', job('quarter', 'far')),
      entry('hfdownloader', job('quarter', 'far')),
      entry('hub.js', job('quarter', 'far')),
      entry('fetch', job('quarter', 'far')),
    ]),
    scene(
      'small',
      `${count} files of 0.3-18 KB, 50 ms away`,
      'curl -Z --parallel-max 32',
      [
        named('curl -Z --parallel-max 32', entry('curl', job('small', 'far'))),
        { ...entry('hf', job('small', 'far')), maxRounds: 2 },
        { ...entry('hfdownloader', job('small', 'far')), maxRounds: 2 },
        entry('fetch', job('small', 'far')),
      ],
      {
        leftOut: {
          'hub.js': `one file after the other: at least ${Math.round(count * 0.1)} s`,
          'curl+openssl': 'these files have git hashes, which openssl does not make',
          aria2c: 'cannot check git hashes',
        },
      },
    ),
    ...waitingScenes(quarter, job),
    scene('late', 'a repository of one file of 1 MiB, every answer 200 ms late', 'curl', [
      entry('curl', job('tiny', 'late')),
      entry('hf', job('tiny', 'late')),
      entry('fetch', job('tiny', 'late')),
    ]),
    scene(
      'collapse',
      `${quarter}, 3.75 MB/s per connection, more than ${COLLAPSE.above} at once get 8 kB/s each`,
      '8 plain ranges',
      [plain(COLLAPSE.above, job('quarter', 'collapse')), entry('fetch', job('quarter', 'collapse'))],
      { leftOut: { 'aria2c -x16': 'starves: 16 connections get 8 kB/s each for ever' } },
    ),
    scene('two', `two files of ${half} at once over HTTP to memory`, 'curl -Z', [
      named('curl -Z', entry('curl', job('two', 'http'))),
      entry('curl+openssl', job('two', 'http')),
      entry('fetch', job('two', 'http')),
    ]),
    scene('four', `four files of ${half} at once over HTTP to memory`, 'curl -Z', [
      ...allPeers('four', 'http').map((one) => (one.peer === 'curl' ? named('curl -Z', one) : one)),
    ]),
    scene('resume', `${half}, 50 MB/s per connection, kill -9 at 50 %, then again`, 'fetch', [
      ...[
        entry('curl', job('half', 'steady'), ['--continue-at', '-']),
        entry('aria2c', job('half', 'steady'), ['--continue=true', '--auto-save-interval=1']),
        entry('hf', job('half', 'steady')),
        entry('fetch', job('half', 'steady')),
      ].map((one) => ({ ...one, task: 'killed' as const })),
    ]),
    scene('verify', `verify one file of ${amount(size * 2)}`, 'openssl dgst', [
      { ...named('openssl dgst', entry('openssl', job('double', 'http'))), task: 'verify' },
      { ...named('fetch verify', entry('fetch', job('double', 'http'))), task: 'verify' },
    ]),
    scene('verify-small', `verify ${count} files of 0.3-18 KB`, 'fetch verify', [
      { ...named('fetch verify', entry('fetch', job('small', 'http'))), task: 'verify' },
    ]),
    scene('memory', 'memory of 16 connections, whatever the size', '1/4 over HTTP', [
      named('1/4 over HTTP', entry('fetch', job('quarter', 'http'), ['--connections', '16'])),
      named('whole over HTTP', entry('fetch', job('one', 'http'), ['--connections', '16'])),
      named('whole over HTTPS', entry('fetch', job('one', 'https'), ['--connections', '16'])),
      named('whole at 20 MB/s each', entry('fetch', job('one', 'capped'), ['--connections', '16'])),
      named(`${count} small files`, entry('fetch', job('small', 'http'), ['--connections', '16'])),
    ]),
    scene(
      'five',
      `${((size / 2 ** 30) * 5).toPrecision(2)} GB over HTTPS to disk, 320 MB/s in all`,
      'fetch --connections 16',
      [
        entry('fetch', job('five', 'tls 20'), ['--connections', '16']),
        entry('fetch', job('five', 'tls 5'), ['--connections', '64']),
      ],
      { place: 'disk' },
    ),
    scene(
      'startup',
      'start and end',
      'node -e 0',
      [
        start('node', 'node -e 0'),
        start('fetch', 'fetch --help'),
        start('fetch', 'fetch --version'),
        start('curl', 'curl --version'),
        start('aria2c', 'aria2c --version'),
        start('hf', 'hf --version'),
      ],
      { roundsFactor: 3 },
    ),
  ];
}

/** An eighth of the Hub, for builds whose constants are an eighth of the real ones: rates of the Hub are eight times as high. */
function waitingScenes(quarter: string, job: JobMaker): Scene[] {
  const about = (id: string, what: string, link: WaitingName, peers: readonly PeerName[] = []): Scene =>
    scene(id, `${quarter}, ${what}`, '32 plain ranges', [
      plain(32, job('quarter', link)),
      plain(64, job('quarter', link)),
      ...peers.map((peer) => entry(peer, job('quarter', link))),
      entry('fetch', job('quarter', link)),
    ]);
  // What only the rate of the whole link decides differs little from round to round.
  const steady = (one: Scene): Scene => ({
    ...one,
    entries: one.entries.map((entry) => ({ ...entry, maxRounds: entry.peer === 'fetch' ? 5 : 2 })),
  });
  const each = '3.7 MB/s per connection';
  const oneStream = 'one connection: at 3.7 MB/s it is at least 8 times as slow';
  return [
    ...WAITS.map((wait) => about(`wait-${wait}`, `${each}, first byte after ${wait} ms`, `wait ${wait}`)),
    {
      ...about('field', `${each}, first byte after 650 ms, or 150 ms on a used connection`, 'field', [
        'aria2c',
        'hfdownloader',
      ]),
      leftOut: { 'curl, hf, hub.js': oneStream },
    },
    ...WAITS.map((wait) =>
      steady(
        about(`gigabit-${wait}`, `${each}, 15.6 MB/s in all, first byte after ${wait} ms`, `gigabit ${wait}`),
      ),
    ),
  ];
}

/** So many connections take ranges of 32 MiB by scale; they check nothing. */
function plain(connections: number, job: Job): Entry {
  const range = String((32 << 20) / SCALE);
  return {
    ...named(`${connections} plain ranges`, entry('plain', job)),
    options: [String(connections), range],
  };
}

/** Every entry of `fetch` once more with the other build, if there is one. */
export function withBaseline(scenes: readonly Scene[], baseline: string | undefined): readonly Scene[] {
  if (baseline === undefined) return scenes;
  return scenes.map((one) => ({
    ...one,
    entries: one.entries.flatMap((entry) => {
      if (entry.peer !== 'fetch') return [entry];
      return [entry, { ...entry, name: `baseline: ${entry.name}`, peer: 'baseline' as const }];
    }),
  }));
}

interface SceneExtras {
  readonly place?: 'memory' | 'disk';
  readonly leftOut?: Readonly<Record<string, string>>;
  readonly roundsFactor?: number;
}

function scene(
  id: string,
  title: string,
  reference: string,
  entries: readonly Entry[],
  { place = 'memory', leftOut = {}, roundsFactor = 1 }: SceneExtras = {},
): Scene {
  return { id, title, place, reference, entries, leftOut, roundsFactor };
}

function entry(peer: PeerName, job: Job, options: readonly string[] = []): Entry {
  const shown = options.filter(() => peer === 'fetch');
  return { name: [peer, ...shown].join(' '), peer, options, job, task: 'download' };
}

function named(name: string, one: Entry): Entry {
  return { ...one, name };
}

/** The name is the command line, the first word of it the program. */
function start(peer: PeerName | 'node', name: string): Entry {
  const [, ...options] = name.split(' ');
  return { name, peer, options, job: undefined, task: 'download' };
}

function amount(bytes: number): string {
  const gib = bytes / 2 ** 30;
  return gib >= 1 ? `${Number(gib.toFixed(2))} GiB` : `${Math.round(bytes / 2 ** 20)} MiB`;
}
