import { ContentHash } from '../../hash/content-hash.ts';
import type { ByteRange } from '../../model/byte-range.ts';
import { digestMatches } from '../../model/digest.ts';
import { FetchError } from '../../model/error.ts';
import { formatBytes, formatCount } from '../../model/format.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import { type Revision, repoPath } from '../../model/repo.ts';
import { shortId } from '../../model/revision-id.ts';
import { collectListing } from '../../source/collect-listing.ts';
import { type HttpLocation, requireHttp } from '../../source/location.ts';
import type { Source } from '../../source/source.ts';
import { pickRevision } from '../download/resolve-quantisation.ts';
import type { RevisionName } from '../download/resolver.ts';
import type { CheckRunner, Finding } from './check-runner.ts';
import { checkChunks } from './chunk-checks.ts';
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
/** Read twice from the middle of the largest file. */
const RANGE_BYTES = MEBIBYTE;
/** The largest file that is read whole and compared with its hash. */
const MAX_CONTENT_BYTES = 4 * MEBIBYTE;
const MEASURED = ['first-byte', 'speed', 'connections', 'addresses'] as const;

/** What the checks of files take. */
export interface FileCheckContext extends ResolveCheckContext, SpeedCheckContext {
  /** A new source each time, so that nothing learned about the endpoint skips the request. */
  readonly openSource: () => Source;
  /** False for a registry: then no request is made that only hubs understand. */
  readonly isHub: boolean;
  /** Runs one request, and retries it if that may help. */
  readonly retry: <T>(work: () => Promise<T>) => Promise<T>;
}

/**
 * Checks the way from the name of a revision to the verified bytes of a file. Each check needs the one before it. Returns the
 * size of the revision in bytes, undefined if it could not be listed.
 */
export async function checkFiles(
  runner: CheckRunner,
  target: RevisionName,
  context: FileCheckContext,
): Promise<number | undefined> {
  const { openSource, signal } = context;
  const source = openSource();
  let revision: Revision | undefined;
  let files: readonly RemoteFile[] = [];
  const total = () => files.reduce((sum, file) => sum + file.size, 0);
  const rest = [
    'location',
    'resolve',
    'binding',
    'ranges',
    'renewal',
    ...MEASURED,
    'content',
    'chunks',
  ] as const;
  const listed = await runner.check('repository', async () => {
    const list = (pinned: Revision) => collectListing(source, pinned, { emit: () => {}, signal });
    const picked = await pickRevision(target, source, list, signal);
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
  await checkLargest(runner, { source, revision, file: largest }, context);
  await checkContent(runner, revision, files, context);
  await checkChunks(runner, revision, files, context);
  return total();
}

/** The file that the location and speed checks read, and the source that lists it. */
interface LargestFile {
  readonly source: Source;
  readonly revision: Revision;
  readonly file: RemoteFile;
}

async function checkLargest(
  runner: CheckRunner,
  largest: LargestFile,
  context: FileCheckContext,
): Promise<void> {
  const { source, revision, file } = largest;
  const { clock, signal, retry } = context;
  let location: HttpLocation | undefined;
  await runner.check('location', async () => {
    location = await retry(async () => requireHttp(await source.locate(revision, file, signal)));
    const { host } = new URL(location.url);
    const { expiresAt } = location;
    if (expiresAt === undefined) return { message: `${file.path} is at ${host}` };
    const minutes = Math.round((expiresAt - clock.now()) / 60_000);
    return {
      message: `${file.path} is at ${host}, by a signed address for ${formatCount(minutes, 'minute')}`,
    };
  });
  await checkAddress(runner, largest, context, location !== undefined);
  if (location === undefined) {
    runner.skip(['ranges', 'renewal', ...MEASURED], 'it is not known where the file is');
    return;
  }
  const answer = await checkRanges(runner, location, largest, context);
  if (answer !== undefined) await measureSpeed(runner, context, answer, file.size);
  else runner.skip(MEASURED, 'the file cannot be read');
}

/** What the hub answers at the address of the file, and whether that answer is bound to a range. */
async function checkAddress(
  runner: CheckRunner,
  { revision, file }: LargestFile,
  context: FileCheckContext,
  isLocated: boolean,
): Promise<void> {
  if (!context.isHub) {
    runner.skip(['resolve', 'binding'], 'a registry has no such address');
    return;
  }
  await runner.measure('resolve', () => checkResolve(context, revision, file));
  if (!isLocated) runner.skip(['binding'], 'it is not known where the file is');
  else if (file.size < 2) runner.skip(['binding'], 'the largest file is too small to tell');
  else await runner.measure('binding', () => checkBinding(context, revision, file));
}

/** Reads a range from the middle of the file, then the same at a second location. Undefined if it cannot be read. */
async function checkRanges(
  runner: CheckRunner,
  location: HttpLocation,
  { revision, file }: LargestFile,
  context: FileCheckContext,
): Promise<RangeAnswer | undefined> {
  const { openSource, signal, retry } = context;
  const start = Math.max(0, Math.floor((file.size - RANGE_BYTES) / 2));
  const range: ByteRange = { start, end: Math.min(file.size, start + RANGE_BYTES) };
  let answer: RangeAnswer | undefined;
  await runner.check('ranges', async () => {
    answer = await retry(() => readLocation(context, location, { range, file }));
    return rangesFinding(answer);
  });
  if (answer === undefined) {
    runner.skip(['renewal'], 'the file cannot be read');
    return undefined;
  }
  const first: RangeAnswer = answer;
  await runner.check('renewal', async () => {
    const again = await retry(async () => requireHttp(await openSource().locate(revision, file, signal)));
    const relocated: HttpLocation = { ...again, ranges: first.location.ranges };
    const second = await retry(() => readLocation(context, relocated, { range, file }));
    // Without ranges both are the start of the file.
    if (!second.bytes.equals(first.bytes)) {
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
  return first;
}

function rangesFinding({ url, honoured, refused, elapsedMs }: RangeAnswer): Finding {
  if (honoured) {
    return { message: `${url.host} sends exactly the range of the request (${Math.round(elapsedMs)} ms)` };
  }
  return {
    state: 'warning',
    message:
      refused === undefined
        ? `${url.host} ignores ranges and sends files from their start`
        : `${url.host} sends no ranges (${refused}), only files from their start`,
    hint: 'Each file then comes over one connection and cannot be resumed. A proxy on the way may be the reason.',
  };
}

async function measureSpeed(
  runner: CheckRunner,
  context: FileCheckContext,
  { location, url }: RangeAnswer,
  size: number,
): Promise<void> {
  await runner.measure('first-byte', () => checkFirstByte(context, location));
  if (size < RANGE_BYTES) {
    runner.skip(['speed', 'connections'], 'the largest file is too small to tell');
  } else {
    let rateOfOne: number | undefined;
    await runner.check('speed', async () => {
      const { rate, finding } = await context.retry(() => checkSpeed(context, context.http, location, size));
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
  context: FileCheckContext,
): Promise<void> {
  const { openSource, signal, retry } = context;
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
  await runner.check('content', async () => {
    const range = { start: 0, end: file.size };
    const location = await retry(async () => requireHttp(await openSource().locate(revision, file, signal)));
    const { bytes } = await retry(() => readLocation(context, location, { range, file }));
    const hash = new ContentHash(file.size, { git: file.digest?.algorithm === 'git-sha1' });
    hash.update(bytes);
    if (digestMatches(hash.digests(), file.digest)) {
      return { message: `${file.path} has the hash that it is listed with (${formatBytes(file.size)})` };
    }
    throw new FetchError('INTEGRITY', `${file.path} has another hash than it is listed with`, {
      hint: 'A proxy or a virus scanner on the way may change files: try another network.',
    });
  });
}
