import { type FileHandle, open } from 'node:fs/promises';
import { FetchError } from '../../model/error.ts';
import type { FileLocation } from '../../source/location.ts';
import { cloneInto, openToRead, writeAllAt } from '../../system/disk/copy-content.ts';
import { diskError } from '../../system/disk/disk-error.ts';
import type { RangeJob, RangeObserver, Transport } from './transport.ts';

/** Bytes per read. Each active copy has one such buffer. */
const BLOCK_BYTES = 256 * 1024;

type FileJob = RangeJob<FileLocation>;

/**
 * Copies ranges of a local file. A whole file is cloned where the file system supports it (a reflink): that takes no
 * space and no time. Rejects with NOT_FOUND if the local file cannot be read or is too short, with DISK if the part
 * cannot be written.
 */
export class FileTransport implements Transport<FileLocation> {
  async bring(job: FileJob, observer: RangeObserver, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (job.window.position >= job.window.end) return;
    const source = await openSource(job);
    try {
      if (await isClonedFrom(source, job)) {
        signal.throwIfAborted();
        job.window.position = job.fileSize;
        observer.wrote({ start: 0, end: job.fileSize }, 0);
      } else await copy(source, job, observer, signal);
    } finally {
      await source.close();
    }
  }
}

async function openSource(job: FileJob): Promise<FileHandle> {
  const source = await openToRead(job.location.path).catch((error: Error) => {
    throw unreadable(job, error.message);
  });
  if ((await source.stat()).isFile()) return source;
  await source.close();
  throw unreadable(job, 'it is not a file');
}

/** Whether the file system made the part a clone of the local file. Tried only if the whole file is requested. */
async function isClonedFrom(source: FileHandle, job: FileJob): Promise<boolean> {
  const { window, location, fileSize, partPath } = job;
  const isWhole = window.position === 0 && window.end === fileSize && location.offset === 0;
  if (!isWhole || partPath === undefined || (await source.stat()).size !== fileSize) return false;
  if (!(await cloneInto(location.path, partPath))) return false;
  const part = await open(partPath, 'r+');
  try {
    if ((await part.stat()).size === fileSize) return true;
    // The local file has just changed: discard the clone.
    await part.truncate(0);
    return false;
  } finally {
    await part.close();
  }
}

async function copy(
  source: FileHandle,
  job: FileJob,
  observer: RangeObserver,
  signal: AbortSignal,
): Promise<void> {
  const { window, location, descriptor, path } = job;
  const buffer = Buffer.allocUnsafeSlow(Math.min(BLOCK_BYTES, window.end - window.position));
  while (window.position < window.end) {
    const start = window.position;
    const from = location.offset + start;
    const wanted = Math.min(buffer.length, window.end - start);
    const { bytesRead } = await source.read(buffer, 0, wanted, from).catch((error: Error) => {
      throw unreadable(job, error.message);
    });
    if (bytesRead === 0) throw unreadable(job, `it ends at ${from}`);
    signal.throwIfAborted();
    await writeAllAt(descriptor, buffer.subarray(0, bytesRead), start).catch((error) => {
      throw diskError(error, path);
    });
    // The end may have been lowered during the write: do not report what lies behind it.
    const end = Math.min(start + bytesRead, window.end);
    if (end <= start) return;
    window.position = end;
    observer.wrote({ start, end }, 0);
    signal.throwIfAborted();
  }
}

function unreadable({ location, path }: FileJob, why: string): FetchError {
  return new FetchError('NOT_FOUND', `${path}: not taken from ${location.path}: ${why}`, {
    hint: 'See that the file can be read and is not being changed, or leave it out of the places to copy from.',
  });
}
