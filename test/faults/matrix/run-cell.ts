import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { inspect } from 'node:util';
import { EXIT_CODES } from '../../../src/cli/process/exit-codes.ts';
import type { ErrorCode } from '../../../src/model/error.ts';
import { createEnvironment } from '../../../src/operations/create-environment.ts';
import type { DownloadOptions } from '../../../src/operations/download/download-options.ts';
import type { Environment } from '../../../src/system/environment.ts';
import { compiled } from '../../support/compiled.ts';
import { compareWithTruth, type Difference } from '../../support/hub/compare.ts';
import { type Hub, type HubOptions, startHub } from '../../support/hub/hub.ts';
import type { LogEntry } from '../../support/hub/log.ts';
import { knownName } from '../../support/known-names.ts';
import { Workspace } from '../../support/run-program.ts';
import { serve, type TestServer } from '../../support/server.ts';
import { type Column, LIMITS, type Limits, type Row } from './cell.ts';
import { faultsOf, ID, pageSize, repository } from './repository.ts';

const TOKEN = 'hf_matrix';

export interface CellResult {
  readonly exit: number;
  readonly message: string;
  readonly seconds: number;
  readonly requests: number;
  readonly differences: readonly Difference[];
  readonly leaks: number;
  /** Answers that a fault has touched. */
  readonly touched: number;
}

export interface CellHub extends AsyncDisposable {
  /** The one that the program is told of, and the one that it is sent on to, if there is one. */
  readonly hubs: readonly Hub[];
  readonly endpoint: string;
  /** What a client needs in its environment to get there; undefined: nothing. */
  readonly environment: Readonly<Record<string, string>> | undefined;
}

/** The hub of one cell, with its faults. */
export async function startCell(row: Row, column: Column): Promise<CellHub> {
  const options: HubOptions = {
    repositories: [repository(row, column)],
    pageSize: pageSize(row, column),
    tokens: [{ token: TOKEN, user: 'matrix', access: 'all' }],
    faults: faultsOf(row, column),
    ...row.hub,
  };
  const hub = await startHub(options);
  if (row.mirrored === true) {
    const mirror = await startHub({ ...options, mirrorOf: hub.origin });
    const close = async (): Promise<void> => {
      await Promise.all([hub.close(), mirror.close()]);
    };
    return {
      hubs: [mirror, hub],
      endpoint: mirror.endpoint,
      environment: undefined,
      [Symbol.asyncDispose]: close,
    };
  }
  if (row.secure !== true) {
    const close = () => hub.close();
    const environment = namesOf(options);
    return { hubs: [hub], endpoint: hub.endpoint, environment, [Symbol.asyncDispose]: close };
  }
  const { ca, options: keys, root } = certificate();
  const front = await tlsFront(hub.origin, keys);
  const cdnFront = await tlsFront(hub.cdnOrigin, keys);
  hub.settings.cdnBase = cdnFront.origin;
  return {
    hubs: [hub],
    endpoint: front.origin,
    // Certificate that a client must believe.
    environment: { NODE_EXTRA_CA_CERTS: ca },
    async [Symbol.asyncDispose]() {
      await front[Symbol.asyncDispose]();
      await cdnFront[Symbol.asyncDispose]();
      await hub.close();
      rmSync(root, { recursive: true });
    },
  };
}

/** For a CDN with a name: the threads of a program of its own look it up where this says. */
function namesOf({ cdnName, cdnAddresses = [] }: HubOptions): CellHub['environment'] {
  return cdnName === undefined ? undefined : knownName(cdnName, cdnAddresses);
}

interface Certificate {
  readonly ca: string;
  readonly root: string;
  readonly options: { readonly cert: Buffer; readonly key: Buffer };
}

function certificate(): Certificate {
  const root = mkdtempSync(join(tmpdir(), 'fetch-matrix-tls-'));
  const [cert, key] = [join(root, 'cert.pem'), join(root, 'key.pem')];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  execFileSync('openssl', ['req', '-x509', ...curve, '-keyout', key, '-out', cert, ...subject], {
    stdio: 'pipe',
  });
  return { ca: cert, root, options: { cert: readFileSync(cert), key: readFileSync(key) } };
}

/** TLS in front of a server without it. */
async function tlsFront(origin: string, options: Certificate['options']): Promise<TestServer> {
  const { port } = new URL(origin);
  const server = createServer(options, (socket) => {
    const behind = connect(Number(port), '127.0.0.1');
    socket.on('error', () => behind.destroy());
    behind.on('error', () => socket.destroy());
    socket.pipe(behind).pipe(socket);
  });
  server.on('tlsClientError', () => {});
  return await serve(server, 'https');
}

interface Library {
  readonly download: typeof import('../../../src/index.ts').download;
  readonly listBranches: typeof import('../../../src/index.ts').listBranches;
  readonly environment: Environment;
}

/** The library compiled, because its threads run compiled only, in the world of this process. */
export async function loadLibrary(): Promise<Library> {
  const module = new URL('index.js', compiled()).href;
  const { download, listBranches } = (await import(module)) as typeof import('../../../src/index.ts');
  return { download, listBranches, environment: createEnvironment() };
}

/** What is asked for: a revision that is not there where the branches are at stake. */
export function revisionOf(column: Column): string {
  return column === 'refs' ? 'no-such-branch' : 'main';
}

/** Runs one cell; `timeoutMs` ends a run that does not end by itself, with exit 130. */
export async function runCell(
  row: Row,
  column: Column,
  library: Library,
  timeoutMs: number,
): Promise<CellResult> {
  await using cell = await startCell(row, column);
  await using workspace = await Workspace.open({ endpoint: cell.endpoint });
  const [hub] = cell.hubs;
  const truth = (await hub?.truth(ID)) ?? [];
  const directory = workspace.path('target');
  const began = performance.now();
  const { exit, message } =
    cell.environment === undefined
      ? await inProcess(row, column, library, cell, directory, timeoutMs)
      : await asProgram(row, column, workspace, cell.environment, directory);
  const seconds = (performance.now() - began) / 1000;
  const found = await compareWithTruth(directory, truth);
  return {
    exit,
    message,
    seconds,
    requests: entriesOf(cell).length,
    // What is missing was not finished; a wrong file is wrong in every case.
    differences: exit === 0 ? found : found.filter(({ what }) => what !== 'missing'),
    leaks: leaksOf(cell).length,
    touched: entriesOf(cell).filter(({ faults }) => faults.length > 0).length,
  };
}

function entriesOf({ hubs }: CellHub): LogEntry[] {
  return hubs.flatMap(({ log }) => log.entries);
}

/** The token belongs to the hub that the program was told of. */
function leaksOf({ hubs: [own, ...others] }: CellHub): LogEntry[] {
  const elsewhere = others.flatMap(({ log }) => log.entries);
  return [...(own?.log.tokenLeaks() ?? []), ...elsewhere.filter((entry) => entry.authorization !== 'none')];
}

/** A failed look-up answers for all connections for a fifth of a second: who asks again sooner has not asked. */
const LIMITS_FOR: Partial<Record<Column, Partial<Limits>>> = {
  locate: { baseDelayMs: 420, maxDelayMs: 420 },
};

type Ending = Pick<CellResult, 'exit' | 'message'>;

async function inProcess(
  row: Row,
  column: Column,
  { download, environment }: Library,
  cell: CellHub,
  directory: string,
  timeoutMs: number,
): Promise<Ending> {
  const { stallTimeoutMs, ...retry } = { ...LIMITS, ...LIMITS_FOR[column], ...row.limits };
  const { clock } = environment;
  const jumped = () => {
    const { clockJumpMs = 0 } = row;
    return entriesOf(cell).some(({ faults }) => faults.length > 0) ? clockJumpMs : 0;
  };
  const jumping = { ...clock, now: () => clock.now() + jumped() };
  const request: DownloadOptions = {
    endpoint: cell.endpoint,
    token: { value: TOKEN, origin: 'the test' },
    repo: ID,
    revision: revisionOf(column),
    directory,
    connections: 4,
    retry,
    stallTimeoutMs,
  };
  const world = { ...environment, clock: jumping, processors: 1 };
  return await endingOf(download({ ...request, environment: world, signal: AbortSignal.timeout(timeoutMs) }));
}

/** How a run of the library ended, as the program would: its exit code, and with a failure what it says. */
export async function endingOf(run: Promise<unknown>): Promise<{ exit: number; message: string }> {
  try {
    await run;
    return { exit: 0, message: '' };
  } catch (error) {
    const { code, message, hint, cause } = error as {
      code: ErrorCode;
      message: string;
      hint?: string;
      cause?: unknown;
    };
    const why = code === 'BUG' ? `\n${inspect(cause)}` : '';
    return { exit: EXIT_CODES[code] ?? 130, message: `${message}\n${hint ?? ''}${why}` };
  }
}

/** Certificates are believed, and names known, by a process of its own only. */
async function asProgram(
  row: Row,
  column: Column,
  workspace: Workspace,
  environment: Readonly<Record<string, string>>,
  directory: string,
): Promise<Ending> {
  const { tries, stallTimeoutMs } = { ...LIMITS, ...row.limits };
  const words = [ID, '--revision', revisionOf(column), '--local-dir', directory, '--retries', `${tries}`];
  const run = await workspace.run(
    [...words, '--stall-timeout', `${stallTimeoutMs / 1000}`, '--connections', '4'],
    {
      env: { ...environment, HF_TOKEN: TOKEN },
    },
  );
  return { exit: run.exit ?? 130, message: run.stderr };
}
