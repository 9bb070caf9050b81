import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from '../support/command.ts';
import { type Job, urlOf } from './job.ts';
import type { Tools } from './tools.ts';

export type PeerName =
  | 'plain'
  | 'curl'
  | 'curl+openssl'
  | 'openssl'
  | 'aria2c'
  | 'hf'
  | 'hf_xet'
  | 'hfdownloader'
  | 'hub.js'
  | 'fetch'
  | 'baseline';

/** What one run may use. */
export interface Place {
  readonly target: string;
  readonly home: string;
  /** For lists of files and the like: not part of what is downloaded. */
  readonly scratch: string;
}

export interface Peer {
  readonly name: PeerName;
  /** Who checks the bytes, in a word. */
  readonly verifies: string;
  /** Why it cannot run here; undefined if it can. */
  readonly missing: string | undefined;
  command(job: Job, place: Place, options: readonly string[]): Command;
  /** Checks what was downloaded; undefined for who cannot. */
  verify?(job: Job, place: Place): Command;
  /** Where a file ends up; undefined if it is thrown away. */
  output(job: Job, place: Place, path: string): string | undefined;
}

/** A build of ours, by the scale of the link. */
export type Build = (scale: number) => string;

export function makePeers(tools: Tools, program: Build, baseline: Build | undefined): Record<PeerName, Peer> {
  const absent = (tool: string | undefined, name: string): string | undefined =>
    tool === undefined ? `${name} is not installed (test/bench/prepare.sh)` : undefined;
  const inTarget = (_job: Job, place: Place, path: string): string => join(place.target, path);
  const plainRunner = fileURLToPath(new URL('./plain-ranges.js', import.meta.url));
  const snapshotRunner = fileURLToPath(new URL('./snapshot-runner.js', import.meta.url));
  return {
    plain: {
      name: 'plain',
      verifies: 'no, and writes nothing',
      missing: undefined,
      command: (job, place, options) => ({
        argv: [process.execPath, plainRunner, directUrl(job), String(job.files[0]!.size), ...options],
        env: environment(job, place),
      }),
      output: () => undefined,
    },
    curl: {
      name: 'curl',
      verifies: 'no',
      missing: absent(tools.curl, 'curl'),
      command: (job, place, options) => ({
        argv: curlArguments(tools.curl!, job, place, options),
        env: environment(job, place),
      }),
      output: inTarget,
    },
    'curl+openssl': {
      name: 'curl+openssl',
      verifies: 'afterwards',
      missing: absent(tools.curl, 'curl') ?? absent(tools.openssl, 'openssl'),
      command: (job, place, options) => ({
        argv: [
          ...['sh', '-c', CURL_THEN_OPENSSL, tools.openssl!, digestList(job, place)],
          ...[String(job.files.length), ...job.files.map(({ path }) => join(place.target, path))],
          ...curlArguments(tools.curl!, job, place, options),
        ],
        env: environment(job, place),
      }),
      output: inTarget,
    },
    openssl: {
      name: 'openssl',
      verifies: 'only verifies',
      missing: absent(tools.openssl, 'openssl'),
      command: (job, place, options) => fetchCommand(program(job.scale), job, place, options),
      verify: (job, place) => ({
        argv: [
          ...[tools.openssl!, 'dgst', '-sha256'],
          ...job.files.map(({ path }) => join(place.target, path)),
        ],
        env: environment(job, place),
      }),
      output: inTarget,
    },
    aria2c: {
      name: 'aria2c',
      verifies: 'afterwards',
      missing: absent(tools.aria2c, 'aria2c'),
      command: (job, place, options) => ({
        argv: [
          ...[tools.aria2c!, '--no-conf', '--quiet', '--max-connection-per-server=16', '--split=16'],
          ...['--min-split-size=1M', `--dir=${place.target}`],
          ...(job.files.length > 1 ? ['-j', '32'] : []),
          ...(job.ca === undefined ? [] : [`--ca-certificate=${job.ca}`]),
          `--input-file=${aria2List(job, place)}`,
          ...options,
        ],
        env: environment(job, place),
      }),
      output: inTarget,
    },
    hf: {
      name: 'hf',
      verifies: 'size only',
      missing: absent(tools.hf, 'huggingface_hub'),
      command: (job, place, options) => ({
        argv: [tools.hf!, 'download', job.repo, '--local-dir', place.target, '--quiet', ...options],
        env: { ...environment(job, place), HF_HUB_DISABLE_XET: '1' },
      }),
      output: inTarget,
    },
    hf_xet: {
      name: 'hf_xet',
      verifies: 'size only',
      missing: 'the hub of this bench has no content store: npm run bench:xet measures it',
      command: () => {
        throw new Error('hf_xet cannot run against this hub');
      },
      output: inTarget,
    },
    hfdownloader: {
      name: 'hfdownloader',
      verifies: 'afterwards',
      missing: absent(tools.hfdownloader, 'hfdownloader'),
      command: (job, place, options) => ({
        argv: [
          ...[tools.hfdownloader!, 'download', job.repo, '--endpoint', job.endpoint, '--quiet'],
          ...['--output', place.target, ...options],
        ],
        env: environment(job, place),
      }),
      output: (job, place, path) => join(place.target, job.repo, path),
    },
    'hub.js': {
      name: 'hub.js',
      verifies: 'no',
      missing: undefined,
      command: (job, place) => ({
        argv: [process.execPath, snapshotRunner, job.repo, job.endpoint, place.target],
        env: environment(job, place),
      }),
      output: (job, place, path) =>
        join(place.target, `models--${job.repo.replace('/', '--')}`, 'snapshots', job.commit, path),
    },
    fetch: {
      name: 'fetch',
      verifies: 'in flight',
      missing: undefined,
      command: (job, place, options) => fetchCommand(program(job.scale), job, place, options),
      verify: (job, place) => verifyCommand(program(job.scale), job, place),
      output: inTarget,
    },
    baseline: {
      name: 'baseline',
      verifies: 'in flight',
      missing: baseline === undefined ? 'no --baseline FILE was given' : undefined,
      command: (job, place, options) => fetchCommand(baseline!(job.scale), job, place, options),
      verify: (job, place) => verifyCommand(baseline!(job.scale), job, place),
      output: inTarget,
    },
  };
}

function directUrl({ cdnBase, files }: Job): string {
  return `${cdnBase}${files[0]?.pathname ?? ''}`;
}

function fetchCommand(program: string, job: Job, place: Place, options: readonly string[]): Command {
  return {
    argv: [
      ...[process.execPath, program, job.repo, '--endpoint', job.endpoint],
      ...['--local-dir', place.target, '--quiet', ...options],
    ],
    env: { ...environment(job, place), ...forcedWorkers() },
  };
}

/** Numbers of workers that the caller forces, for machines with fewer processors than they need. */
function forcedWorkers(): Record<string, string> {
  const names = ['FETCH_HASH_WORKERS', 'FETCH_IO_WORKERS'];
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

function verifyCommand(program: string, job: Job, place: Place): Command {
  return {
    argv: [process.execPath, program, 'verify', place.target, '--quiet'],
    env: environment(job, place),
  };
}

/** Nothing of the user's: tools that look for a token or a cache find an empty home. */
export function environment(job: Job | undefined, place: Pick<Place, 'home'>): Record<string, string> {
  const trust: Record<string, string> =
    job?.ca === undefined
      ? {}
      : { SSL_CERT_FILE: job.ca, REQUESTS_CA_BUNDLE: job.ca, NODE_EXTRA_CA_CERTS: job.ca };
  return {
    PATH: process.env['PATH'] ?? '',
    HOME: place.home,
    HF_HOME: join(place.home, 'hf'),
    HF_HUB_DISABLE_PROGRESS_BARS: '1',
    HF_HUB_DISABLE_TELEMETRY: '1',
    HF_HUB_DISABLE_UPDATE_CHECK: '1',
    NO_PROXY: '127.0.0.1',
    ...(job === undefined ? {} : { HF_ENDPOINT: job.endpoint }),
    ...trust,
  };
}

/** $0 is openssl, then: expected list, number of files, that many files, the curl command. */
const CURL_THEN_OPENSSL = `
expected=$1; count=$2; shift 2
list=$expected.files; : >"$list"
while [ "$count" -gt 0 ]; do printf '%s\\n' "$1" >>"$list"; shift; count=$((count - 1)); done
"$@" || exit
xargs -d '\\n' "$0" dgst -sha256 -r <"$list" | cmp - "$expected"
`;

function digestList(job: Job, place: Place): string {
  const path = join(place.scratch, 'expected');
  const lines = job.files.map((file) => `${file.sha256} *${join(place.target, file.path)}\n`);
  writeFileSync(path, lines.join(''));
  return path;
}

function curlArguments(curl: string, job: Job, place: Place, options: readonly string[]): string[] {
  const list = join(place.scratch, 'curl-list');
  const lines = job.files.map(
    ({ path }) => `url = "${urlOf(job, path)}"\noutput = "${join(place.target, path)}"\n`,
  );
  writeFileSync(list, lines.join(''));
  return [
    ...[curl, '--disable', '--silent', '--show-error', '--fail', '--location'],
    ...(job.files.length > 1
      ? ['--parallel', '--parallel-immediate', '--parallel-max', '32', '--create-dirs']
      : []),
    ...(job.ca === undefined ? [] : ['--cacert', job.ca]),
    ...['--config', list, ...options],
  ];
}

function aria2List(job: Job, place: Place): string {
  const list = join(place.scratch, 'aria2-list');
  const lines = job.files.map(
    (file) => `${urlOf(job, file.path)}\n  out=${file.path}\n  checksum=sha-256=${file.sha256}\n`,
  );
  writeFileSync(list, lines.join(''));
  return list;
}
