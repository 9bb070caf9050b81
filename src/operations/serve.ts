import { statSync } from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { HashPool } from '../hash/hash-pool.ts';
import { contentMatches } from '../model/digest.ts';
import { FetchError } from '../model/error.ts';
import { isSameRepo, type RepoRef, repoPath } from '../model/repo.ts';
import { Catalog } from '../serve/catalog.ts';
import { createHubServer } from '../serve/hub-server.ts';
import { seldom } from '../serve/seldom.ts';
import { type CheckFile, VerifiedFiles } from '../serve/verified-files.ts';
import type { HeldRevision, HeldRevisions } from '../store/held-revision.ts';
import { hasState, openCacheRevisions, openDirectoryRevisions } from '../store/open-store.ts';
import { stampedFile } from '../store/records/stamp.ts';
import { onAbort } from '../system/on-abort.ts';
import type { RunContext } from '../system/run-context.ts';
import type { RunOptions } from './options.ts';
import { withRunContext } from './run.ts';

/** What `serve` hands to other machines, and where it listens. */
export interface ServeOptions extends RunOptions {
  /** Directories that `fetch` filled. Absolute. */
  readonly directories: readonly string[];
  /** Absolute path of a central cache; none if left out. */
  readonly cache?: string | undefined;
  /** Address or name to listen on; 127.0.0.1 if left out, so that only this machine can read. */
  readonly host?: string | undefined;
  /** TCP port; 8090 if left out, 0 for any free one. */
  readonly port?: number | undefined;
  /** Called when requests are answered. */
  readonly onListening?: ((serving: Serving) => void) | undefined;
}

/** A server that listens. */
export interface Serving {
  /** `http://ADDRESS:PORT`: the value of HF_ENDPOINT for clients. */
  readonly url: string;
  /** Whether other machines can reach it. */
  readonly isPublic: boolean;
  /** What can be fetched from it now. */
  readonly revisions: readonly ServedRevision[];
}

/** A revision that can be fetched. */
export interface ServedRevision {
  /** As it was named when it was fetched. */
  readonly repo: RepoRef;
  /** Branches, tags and other names that lead to it. */
  readonly names: readonly string[];
  /** 40 hex digits. */
  readonly commit: string;
  /** How many files the revision has. */
  readonly files: number;
  /** Bytes of these files. */
  readonly bytes: number;
}

/** Where `serve` listens if it is not told. */
export const SERVE_DEFAULTS = { host: '127.0.0.1', port: 8090 } as const;

/**
 * Serves what is in directories of `fetch` and in a central cache as a read-only hub, until the signal ends it. Needs no network
 * and no token. Resolves after the signal. Rejects with NOT_FOUND for a directory that `fetch` did not fill, NETWORK where it
 * cannot listen. Notes about files that changed are events.
 */
export async function serve(options: ServeOptions): Promise<void> {
  const { directories, cache, host = SERVE_DEFAULTS.host, port = SERVE_DEFAULTS.port } = options;
  // The signal is the usual end of a server: it is no error.
  await withRunContext({ ...options, signal: undefined }, async (run) => {
    const sources = directories.map(openStaged);
    if (cache !== undefined) sources.push(openCacheRevisions(cache));
    const ended = new AbortController();
    await using hasher = new HashPool(run.environment.processors);
    const tell = (message: string) => run.emit({ type: 'note', message });
    const check = checkWith(hasher);
    const files = new VerifiedFiles(check, tell, ended.signal);
    const catalog = new Catalog(sources, run.environment.clock);
    const server = createHubServer({ catalog, files, clock: run.environment.clock, tell });
    try {
      const url = await listen(server, host, port);
      // Too many open files, for example: the connections that are there go on.
      const tellFailure = seldom(tell, run.environment.clock);
      server.on('error', (error) => tellFailure(`a connection could not be accepted: ${error.message}`));
      const held = catalog.all();
      options.onListening?.({ url, isPublic: !isLoopback(server), revisions: held.map(servedRevision) });
      tellNames(held, run);
      await lookAtAll(held, files, options.signal, run);
      await untilAborted(options.signal);
    } finally {
      ended.abort(new FetchError('ABORTED', 'the server has ended'));
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    }
  });
}

/** Throws NOT_FOUND for a directory that clients of the Hub can have nothing from. */
function openStaged(directory: string): HeldRevisions {
  const held = openDirectoryRevisions(directory);
  const [repo] = held.repos();
  // A run that has only begun: what it fetches is served when it is there.
  if (repo === undefined && hasState(directory)) return held;
  if (repo === undefined) {
    const exists = statSync(directory, { throwIfNoEntry: false })?.isDirectory() === true;
    throw new FetchError(
      'NOT_FOUND',
      `${directory} ${exists ? 'has no manifest of fetch' : 'is no directory'}`,
      {
        hint: 'Name a directory that `fetch REPO --local-dir DIR` has filled to the end, or serve the central cache with --cache.',
      },
    );
  }
  if (repo.source !== undefined && repo.source !== 'hub') {
    throw new FetchError(
      'NOT_FOUND',
      `${directory} holds ${repoPath(repo)}, which clients of the Hub cannot name`,
      {
        hint: 'Name directories with models, datasets or spaces of a hub.',
      },
    );
  }
  return held;
}

/** A file is right if its hashes match and it did not change while it was read. */
function checkWith(hasher: HashPool): CheckFile {
  return async ({ path, size, stamp }, file, signal) => {
    const git = file.digest?.algorithm === 'git-sha1';
    const digests = await hasher.check(path, size, { git }, signal);
    return contentMatches(digests, file) && stampedFile(path)?.stamp === stamp;
  };
}

async function listen(server: Server, host: string, port: number): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(cannotListen(error, host, port)));
    server.listen({ host, port, backlog: 1024 }, resolve);
  });
  const { address, family, port: actual } = server.address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${actual}`;
}

function cannotListen(error: NodeJS.ErrnoException, host: string, port: number): FetchError {
  const used = error.code === 'EADDRINUSE';
  const why = used ? 'another program listens there' : error.message;
  return new FetchError('NETWORK', `cannot listen on ${host}, port ${port}: ${why}`, {
    cause: error,
    hint: used
      ? 'Take another port with --port N, or any free one with --port 0.'
      : 'Name an address of this machine with --host, and a port that you may open with --port.',
  });
}

function isLoopback(server: Server): boolean {
  const { address } = server.address() as AddressInfo;
  return /^(?:127\.|::1$|::ffff:127\.)/.test(address);
}

function servedRevision({ repo, names, commit, files }: HeldRevision): ServedRevision {
  const bytes = [...files.values()].reduce((sum, { size }) => sum + size, 0);
  return { repo, names, commit, files: files.size, bytes };
}

/** Of two revisions with one name, clients get the one that was recorded last. */
function tellNames(held: readonly HeldRevision[], { emit }: RunContext): void {
  for (const [index, one] of held.entries()) {
    for (const other of held.slice(index + 1)) {
      const shared = one.names.find((name) => other.names.includes(name));
      if (shared === undefined || one.commit === other.commit || !isSameRepo(one.repo, other.repo)) continue;
      const [older, newer] = one.recordedMs > other.recordedMs ? [other, one] : [one, other];
      const message = `${shared} of ${repoPath(one.repo)} is here twice: clients get ${newer.commit}, which was fetched last; ${older.commit} is served by its commit only`;
      emit({ type: 'note', message });
    }
  }
}

/** Begins to hash what was copied or changed, so that the first client need not wait for it. */
async function lookAtAll(
  held: readonly HeldRevision[],
  files: VerifiedFiles,
  signal: AbortSignal | undefined,
  { emit }: RunContext,
): Promise<void> {
  let checking = 0;
  for (const revision of held) {
    if (signal?.aborted === true) return;
    for (const file of revision.files.values()) {
      if (files.find(revision, file).kind === 'checking') checking += 1;
    }
    // Requests are answered in between.
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  if (checking === 0) return;
  const subject = checking === 1 ? '1 file was' : `${checking} files were`;
  emit({
    type: 'note',
    message: `${subject} copied or changed since the last verification: each is served when its hash has matched`,
  });
}

async function untilAborted(signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((resolve) => {
    if (signal === undefined) return;
    if (signal.aborted) resolve();
    else onAbort(signal, resolve);
  });
}
