import { constants } from 'node:fs';
import { copyFile, type FileHandle, open, unlink } from 'node:fs/promises';
import type { ByteRange } from '../../model/byte-range.ts';
import { removeIfThere } from '../../system/disk/remove-if-there.ts';

/** Between two of them an abort is noticed: a fraction of a second also on a slow disk. */
const BLOCK_BYTES = 8 * 1024 * 1024;

const RANGE_READ = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/**
 * Fills a file that is there with the content of another: as a reflink where the file system can, which takes no room
 * and no time, else block by block. Rejects with the signal's reason. It keeps its inode and its mode.
 */
export async function copyInto(from: string, to: string, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  // Node does not say whether it could; a copy of the whole in one piece could not be stopped.
  const probe = `${to}.probe`;
  if (await isCloned(from, probe)) {
    const target = await open(to, 'r+');
    try {
      const { mode } = await target.stat();
      await copyFile(from, to, constants.COPYFILE_FICLONE);
      // It takes the mode of its original, and blobs of a cache may be read-only.
      await target.chmod(mode);
    } finally {
      await target.close();
    }
    return;
  }
  await copyRanges(from, to, [{ start: 0, end: Number.POSITIVE_INFINITY }], signal);
}

/** Copies some ranges of a file into one that is there, at the same places. */
export async function copyRanges(
  from: string,
  to: string,
  ranges: readonly ByteRange[],
  signal?: AbortSignal,
): Promise<void> {
  const source = await open(from, RANGE_READ);
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
  const { size } = await source.stat();
  const length = Math.min(end, size) - start;
  const buffer = Buffer.allocUnsafeSlow(Math.max(0, Math.min(BLOCK_BYTES, length)));
  for (let position = start; position < start + length; ) {
    signal?.throwIfAborted();
    const wanted = Math.min(buffer.length, start + length - position);
    const { bytesRead } = await source.read(buffer, 0, wanted, position);
    if (bytesRead === 0) return;
    for (let written = 0; written < bytesRead; ) {
      written += (await target.write(buffer, written, bytesRead - written, position + written)).bytesWritten;
    }
    position += bytesRead;
  }
}

/** Whether a reflink of the file can be made at that place; removed again. */
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
