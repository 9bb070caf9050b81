import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HttpClient } from '../../http/client.ts';
import { FetchError, toFetchError } from '../../model/error.ts';
import { formatBytes } from '../../model/format.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { Revision } from '../../model/repo.ts';
import { requireHttp } from '../../source/location.ts';
import { can, type Source } from '../../source/source.ts';
import type { Clock } from '../../system/clock.ts';
import { XetTransport } from '../../transfer/transport/xet/xet-transport.ts';
import type { CheckRunner, Finding } from './check-runner.ts';
import { readLocation } from './read-location.ts';

/** What is read of the file in both ways: from its first byte, as hosts without ranges send it too. */
const MAX_BYTES = 4 * 2 ** 20;

interface ChunkCheckContext {
  readonly http: HttpClient;
  /** A new source each time. */
  readonly openSource: () => Source;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Reads the start of one file as chunks and over plain HTTP, and compares the two. */
export async function checkChunks(
  runner: CheckRunner,
  revision: Revision,
  files: readonly RemoteFile[],
  context: ChunkCheckContext,
): Promise<void> {
  const file = files
    .filter(({ size, pointer }) => size > 0 && pointer?.xetHash !== undefined)
    .toSorted((left, right) => left.size - right.size)[0];
  if (file === undefined || !can(context.openSource(), 'reconstruct')) {
    runner.skip(['chunks'], 'no file is kept as chunks');
    return;
  }
  await runner.check('chunks', () => compareWays(revision, file, context));
}

async function compareWays(
  revision: Revision,
  file: RemoteFile,
  context: ChunkCheckContext,
): Promise<Finding> {
  const { openSource, clock, signal } = context;
  const range = { start: 0, end: Math.min(file.size, MAX_BYTES) };
  let chunks: Chunks;
  try {
    chunks = await readChunks(revision, file, range.end, context);
  } catch (thrown) {
    signal.throwIfAborted();
    const { code, side, message } = toFetchError(thrown);
    if (side !== 'source' || code === 'INTEGRITY') throw thrown;
    const hint = 'Downloads come over plain HTTP all the same, and updates fetch whole files.';
    // The repository was found: what is missing is the token for the store, as on every mirror without one.
    if (code === 'NOT_FOUND') return { state: 'skipped', message: 'this hub hands out no chunks', hint };
    return { state: 'warning', message, hint };
  }
  const started = clock.monotonic();
  const location = requireHttp(await openSource().locate(revision, file, signal));
  const { bytes } = await readLocation(context, location, { range, file });
  const httpMs = Math.round(clock.monotonic() - started);
  if (!bytes.equals(chunks.bytes)) {
    throw new FetchError('INTEGRITY', `${file.path} has other bytes as chunks than over plain HTTP`, {
      hint: 'Something on the way changes what is sent: the check `content` says whether plain HTTP is right.',
    });
  }
  const wire = `${formatBytes(chunks.wireBytes)} in ${Math.round(chunks.elapsedMs)} ms`;
  return {
    message: `${file.path}: as chunks ${wire}, over HTTP ${formatBytes(bytes.length)} in ${httpMs} ms, the same bytes`,
  };
}

interface Chunks {
  readonly bytes: Buffer;
  readonly wireBytes: number;
  readonly elapsedMs: number;
}

/** The first `end` bytes of a file, in one attempt. */
async function readChunks(
  revision: Revision,
  file: RemoteFile,
  end: number,
  { http, openSource, clock, signal }: ChunkCheckContext,
): Promise<Chunks> {
  const source = openSource();
  if (!can(source, 'reconstruct')) throw new FetchError('BUG', 'this source knows no chunks');
  const { path, size: fileSize } = file;
  const started = clock.monotonic();
  const location = await source.reconstruct(revision, file, { start: 0, end }, signal);
  const scratch = await mkdtemp(join(tmpdir(), 'fetch-doctor-'));
  try {
    await using part = await open(join(scratch, 'part'), 'w+');
    let wireBytes = 0;
    await new XetTransport(http, clock).bring(
      { location, path, fileSize, window: { position: 0, end }, descriptor: part.fd },
      {
        wrote: (range, count = range.end - range.start) => {
          wireBytes += count;
        },
        wholeFile: () => {},
        movedTo: () => {},
      },
      signal,
    );
    const elapsedMs = clock.monotonic() - started;
    const bytes = Buffer.alloc(end);
    await part.read(bytes, 0, end, 0);
    return { bytes, wireBytes, elapsedMs };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
