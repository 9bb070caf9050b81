import { ContentHash } from '../../hash/content-hash.ts';
import type { ByteRange } from '../../model/byte-range.ts';
import { digestMatches } from '../../model/digest.ts';
import { FetchError } from '../../model/error.ts';
import { formatBytes, formatCount } from '../../model/format.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import { type RepoRef, type Revision, repoPath } from '../../model/repo.ts';
import { shortId } from '../../model/revision-id.ts';
import { collectListing } from '../../source/collect-listing.ts';
import { type HttpLocation, requireHttp } from '../../source/location.ts';
import type { Source } from '../../source/source.ts';
import { pickRevision } from '../download/resolve-quantisation.ts';
import type { CheckRunner } from './check-runner.ts';
import { type RangeAnswer, readLocation } from './read-location.ts';
import { checkBinding, checkResolve, type ResolveCheckContext } from './resolve-checks.ts';
import {
  checkAddresses,
  checkConnections,
  checkFirstByte,
  checkSpeed,
  type SpeedCheckContext,
} from './speed-checks.ts';

const MEBIBYTE = 2 ** 20;
/** Of the middle of the largest file, twice. */
const RANGE_BYTES = MEBIBYTE;
/** A small file is read whole and compared with its hash. */
const MAX_CONTENT_BYTES = 4 * MEBIBYTE;
const MEASURED = ['first-byte', 'speed', 'connections', 'addresses'] as const;

/** A repository and one of its revisions, which may be a quantisation of `main` if it was written behind a colon. */
export interface AskedFor {
  readonly repo: RepoRef;
  readonly revision: string;
  readonly mayBeQuantisation: boolean;
}

/** What the looks at files need. */
export interface FileCheckContext extends ResolveCheckContext, SpeedCheckContext {
  /** A new source each time, so that nothing learned about the endpoint skips the request. */
  readonly openSource: () => Source;
  /** False for a registry: then nothing is asked that only hubs understand. */
  readonly isHub: boolean;
  /** Carries out one request, and again if that may help. */
  readonly trying: <T>(work: () => Promise<T>) => Promise<T>;
}

/**
 * From the name of a revision to bytes that are compared. Each step needs the one before it. Returns the bytes of the whole
 * revision, undefined if it could not be listed.
 */
export async function checkFiles(
  runner: CheckRunner,
  asked: AskedFor,
  context: FileCheckContext,
): Promise<number | undefined> {
  const { openSource, signal } = context;
  const source = openSource();
  let revision: Revision | undefined;
  let files: readonly RemoteFile[] = [];
  const total = () => files.reduce((sum, file) => sum + file.size, 0);
  const rest = ['location', 'resolve', 'binding', 'ranges', 'renewal', ...MEASURED, 'content'] as const;
  const listed = await runner.look('repository', async () => {
    const list = (pinned: Revision) => collectListing(source, pinned, () => {}, signal);
    const picked = await pickRevision({ quantisation: undefined, ...asked }, source, list, signal);
    revision = picked.revision;
    files = await list(revision);
    const name = `${repoPath(revision.repo)}, ${revision.name} at ${shortId(revision.id)}`;
    const gated = revision.gated ? ', gated' : '';
    return { message: `${name}: ${formatCount(files.length, 'file')}, ${formatBytes(total())}${gated}` };
  });
  if (!listed || revision === undefined) {
    runner.skip(rest, 'the repository cannot be listed');
    return undefined;
  }
  const largest = files.reduce<RemoteFile | undefined>(
    (best, file) => (file.size > (best?.size ?? 0) ? file : best),
    undefined,
  );
  if (largest === undefined) {
    runner.skip(rest, 'the revision has no file with anything in it');
    return total();
  }
  await checkLargest(runner, revision, largest, source, context);
  await checkContent(runner, revision, files, context);
  return total();
}

async function checkLargest(
  runner: CheckRunner,
  revision: Revision,
  file: RemoteFile,
  source: Source,
  context: FileCheckContext,
): Promise<void> {
  const { http, openSource, clock, signal, trying } = context;
  const start = Math.max(0, Math.floor((file.size - RANGE_BYTES) / 2));
  const range: ByteRange = { start, end: Math.min(file.size, start + RANGE_BYTES) };
  let location: HttpLocation | undefined;
  let first: RangeAnswer | undefined;
  const located = await runner.look('location', async () => {
    location = await trying(async () => requireHttp(await source.locate(revision, file, signal)));
    const { host } = new URL(location.url);
    const { expiresAt } = location;
    if (expiresAt === undefined) return { message: `${file.path} is at ${host}` };
    const minutes = Math.round((expiresAt - clock.now()) / 60_000);
    return {
      message: `${file.path} is at ${host}, by a signed address for ${formatCount(minutes, 'minute')}`,
    };
  });
  if (context.isHub) await runner.measure('resolve', () => checkResolve(context, revision, file));
  else runner.skip(['resolve', 'binding'], 'a registry has no such address');
  if (!located) {
    runner.skip(
      [...(context.isHub ? (['binding'] as const) : []), 'ranges', 'renewal', ...MEASURED],
      'the hub does not say where the file is',
    );
    return;
  }
  if (!context.isHub) {
    // Skipped above.
  } else if (file.size < 2) runner.skip(['binding'], 'the largest file is too small to tell');
  else await runner.measure('binding', () => checkBinding(context, revision, file));
  const ranged = await runner.look('ranges', async () => {
    first = await trying(() => readLocation(http, location!, { range, file }, clock, signal));
    const { url, honoured, refused, elapsedMs } = first;
    if (honoured)
      return { message: `${url.host} sends exactly what is asked for (${Math.round(elapsedMs)} ms)` };
    return {
      state: 'warning',
      message:
        refused === undefined
          ? `${url.host} ignores ranges and sends files from their start`
          : `${url.host} sends no ranges (${refused}), only files from their start`,
      hint: 'Each file then comes over one connection and cannot be resumed. A proxy on the way may be the reason.',
    };
  });
  if (!ranged || first === undefined) {
    runner.skip(['renewal', ...MEASURED], 'the file cannot be read');
    return;
  }
  await runner.look('renewal', async () => {
    const again = await trying(async () => requireHttp(await openSource().locate(revision, file, signal)));
    const second = await trying(() =>
      readLocation(http, { ...again, ranges: first!.location.ranges }, { range, file }, clock, signal),
    );
    // Without ranges the two are the starts of the file.
    if (!second.bytes.equals(first!.bytes)) {
      throw new FetchError(
        'INTEGRITY',
        `the same range of ${file.path} came with other bytes the second time`,
        {
          hint: 'Something on the way changes what is sent: memory, a cache or a proxy. Try another network.',
        },
      );
    }
    return { message: `located twice, the same ${formatBytes(second.bytes.length)} both times` };
  });
  await measureSpeed(runner, context, first.location, first.url, file.size);
}

async function measureSpeed(
  runner: CheckRunner,
  context: FileCheckContext,
  location: HttpLocation,
  url: URL,
  size: number,
): Promise<void> {
  await runner.measure('first-byte', () => checkFirstByte(context, location));
  if (size < RANGE_BYTES) {
    runner.skip(['speed', 'connections'], 'the largest file is too small to tell');
  } else {
    let rateOfOne: number | undefined;
    await runner.look('speed', async () => {
      const { rate, finding } = await context.trying(() => checkSpeed(context, context.http, location, size));
      rateOfOne = rate;
      return finding;
    });
    await runner.measure('connections', () => checkConnections(context, location, size, rateOfOne));
  }
  await runner.measure('addresses', () => checkAddresses(context, location, url, size));
}

async function checkContent(
  runner: CheckRunner,
  revision: Revision,
  files: readonly RemoteFile[],
  { http, openSource, clock, signal, trying }: FileCheckContext,
): Promise<void> {
  // The manifest of a registry is known already.
  const fitting = files.filter(
    ({ digest, size }) =>
      digest !== undefined && size <= MAX_CONTENT_BYTES && `sha256:${digest.hex}` !== revision.id,
  );
  const file = fitting.toSorted((left, right) => right.size - left.size)[0];
  if (file === undefined) {
    runner.skip(['content'], 'no file is small enough, and has a hash');
    return;
  }
  await runner.look('content', async () => {
    const range = { start: 0, end: file.size };
    const location = await trying(async () => requireHttp(await openSource().locate(revision, file, signal)));
    const { bytes } = await trying(() => readLocation(http, location, { range, file }, clock, signal));
    const hash = new ContentHash(file.size, { git: file.digest?.algorithm === 'git-sha1' });
    hash.update(bytes);
    if (digestMatches(hash.digests(), file.digest)) {
      return { message: `${file.path} has the hash that the hub lists (${formatBytes(file.size)})` };
    }
    throw new FetchError('INTEGRITY', `${file.path} has another hash than the hub lists`, {
      hint: 'A proxy or a virus scanner on the way may change files: try another network.',
    });
  });
}
