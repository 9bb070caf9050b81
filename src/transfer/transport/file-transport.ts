import { constants, write } from 'node:fs';
import { copyFile, type FileHandle, open, unlink } from 'node:fs/promises';
import { promisify } from 'node:util';
import { FetchError } from '../../model/error.ts';
import type { FileLocation } from '../../source/location.ts';
import { diskError } from '../../system/disk/disk-error.ts';
import { removeIfThere } from '../../system/disk/remove-if-there.ts';
import type { RangeJob, RangeObserver, Transport } from './transport.ts';

/** Bytes per read. Each copy under way has one such buffer. */
const BLOCK_BYTES = 256 * 1024;
/** A named pipe at the path must not block the open. */
const READ = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

const writeAt = promisify(write);

/**
 * Copies ranges of a local file. A whole file is cloned where the file system can (a reflink): that takes no room and no
 * time. Rejects with NOT_FOUND if the local file cannot be read or is too short, with DISK if the part cannot be written.
 */
export class FileTransport implements Transport<FileLocation> {
  async bring(job: RangeJob<FileLocation>, observer: RangeObserver, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (job.window.position >= job.window.end) return;
    if (await clone(job)) {
      signal.throwIfAborted();
      job.window.position = job.fileSize;
      observer.wrote({ start: 0, end: job.fileSize });
      return;
    }
    const source = await openSource(job);
    try {
      await copy(source, job, observer, signal);
    } finally {
      await source.close();
    }
  }
}

async function openSource(job: RangeJob<FileLocation>): Promise<FileHandle> {
  const source = await open(job.location.path, READ).catch((error: Error) => {
    throw unreadable(job, error.message);
  });
  if ((await source.stat()).isFile()) return source;
  await source.close();
  throw unreadable(job, 'it is not a file');
}

async function copy(
  source: FileHandle,
  job: RangeJob<FileLocation>,
  observer: RangeObserver,
  signal: AbortSignal,
): Promise<void> {
  const { window, location, descriptor, path } = job;
  const buffer = Buffer.allocUnsafeSlow(Math.min(BLOCK_BYTES, window.end - window.position));
  while (window.position < window.end) {
    const start = window.position;
    const wanted = Math.min(buffer.length, window.end - start);
    const { bytesRead } = await source
      .read(buffer, 0, wanted, location.offset + start)
      .catch((error: Error) => {
        throw unreadable(job, error.message);
      });
    if (bytesRead === 0) throw unreadable(job, `it ends at ${location.offset + start}`);
    signal.throwIfAborted();
    for (let written = 0; written < bytesRead; ) {
      const write = writeAt(descriptor, buffer, written, bytesRead - written, start + written);
      const { bytesWritten } = await write.catch((error) => {
        throw diskError(error, path);
      });
      written += bytesWritten;
    }
    // The window may have shrunk while the write was under way: what lies behind its end is not reported.
    const end = Math.min(start + bytesRead, window.end);
    if (end <= start) return;
    window.position = end;
    observer.wrote({ start, end });
    signal.throwIfAborted();
  }
}

/** Whether the file system made the part a clone of the whole local file. */
async function clone({ window, location, fileSize, partPath }: RangeJob<FileLocation>): Promise<boolean> {
  const isWhole = window.position === 0 && window.end === fileSize && location.offset === 0;
  if (!isWhole || partPath === undefined) return false;
  // Node copies block by block where it cannot clone, and neither says so nor stops for a signal: a probe tells.
  const probe = `${partPath}.probe`;
  if (!(await isCloned(location.path, probe))) return false;
  const part = await open(partPath, 'r+');
  try {
    const { mode } = await part.stat();
    await copyFile(location.path, partPath, constants.COPYFILE_FICLONE);
    // A clone takes the mode of its original, and blobs of a cache may be read-only.
    await part.chmod(mode);
    return (await part.stat()).size === fileSize;
  } finally {
    await part.close();
  }
}

async function isCloned(from: string, probe: string): Promise<boolean> {
  try {
    await removeIfThere(probe);
    await copyFile(from, probe, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
    await unlink(probe);
    return true;
  } catch {
    return false;
  }
}

function unreadable({ location, path }: RangeJob<FileLocation>, why: string): FetchError {
  return new FetchError('NOT_FOUND', `${path}: not taken from ${location.path}: ${why}`, {
    hint: 'Run the same command again with --no-reuse: then it is fetched.',
  });
}
