import { constants, write } from 'node:fs';
import { copyFile, type FileHandle, open, stat, unlink } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { ByteRange } from '../../model/byte-range.ts';
import { removeIfThere } from './remove-if-there.ts';

/** An abort is noticed between two blocks: within a fraction of a second, also on a slow disk. */
const BLOCK_BYTES = 8 * 1024 * 1024;
/** A named pipe at the path must not block the open. */
const READ = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

const writeAt = promisify(write);

/** Opens a file for reading; does not wait if it is a named pipe. */
export async function openToRead(path: string): Promise<FileHandle> {
  return await open(path, READ);
}

/**
 * Fills an existing file with the content of another: as a clone (a reflink) where the file system can, which takes no
 * room and no time, else block by block. Rejects with the signal's reason. The target keeps its inode and its mode.
 */
export async function copyInto(from: string, to: string, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  if (await cloneInto(from, to)) return;
  await copyRanges(from, to, [{ start: 0, end: Number.POSITIVE_INFINITY }], signal);
}

/**
 * Makes an existing file a clone of another, if the file system can; false if not. The target keeps its inode and its
 * mode: the original may be read-only, as blobs of a cache are.
 */
export async function cloneInto(from: string, to: string): Promise<boolean> {
  // Where it cannot clone, Node copies block by block, says nothing and does not stop for a signal. So try on a new file.
  if (!(await canClone(from, `${to}.probe`))) return false;
  const target = await open(to, 'r+');
  try {
    const { mode } = await target.stat();
    await copyFile(from, to, constants.COPYFILE_FICLONE);
    await target.chmod(mode);
    return true;
  } finally {
    await target.close();
  }
}

async function canClone(from: string, probe: string): Promise<boolean> {
  try {
    if (!(await stat(from)).isFile()) return false;
    await removeIfThere(probe);
    await copyFile(from, probe, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
    await unlink(probe);
    return true;
  } catch {
    return false;
  }
}

/** Copies some ranges of a file into an existing one, at the same offsets. A range may end behind the end of the file. */
export async function copyRanges(
  from: string,
  to: string,
  ranges: readonly ByteRange[],
  signal?: AbortSignal,
): Promise<void> {
  const source = await openToRead(from);
  try {
    const target = await open(to, constants.O_WRONLY | (constants.O_NOFOLLOW ?? 0));
    try {
      for (const range of ranges) await copyRange(source, target, range, signal);
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

async function copyRange(
  source: FileHandle,
  target: FileHandle,
  { start, end }: ByteRange,
  signal: AbortSignal | undefined,
): Promise<void> {
  const last = Math.min(end, (await source.stat()).size);
  const buffer = Buffer.allocUnsafeSlow(Math.max(0, Math.min(BLOCK_BYTES, last - start)));
  for (let position = start; position < last; ) {
    signal?.throwIfAborted();
    const wanted = Math.min(buffer.length, last - position);
    const { bytesRead } = await source.read(buffer, 0, wanted, position);
    if (bytesRead === 0) return;
    await writeAllAt(target.fd, buffer.subarray(0, bytesRead), position);
    position += bytesRead;
  }
}

/** Writes all bytes at their place, without blocking the thread. */
export async function writeAllAt(descriptor: number, bytes: Uint8Array, position: number): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    const { bytesWritten } = await writeAt(
      descriptor,
      bytes,
      written,
      bytes.length - written,
      position + written,
    );
    if (bytesWritten === 0) throw Object.assign(new Error('the disk takes no bytes'), { code: 'EIO' });
    written += bytesWritten;
  }
}
