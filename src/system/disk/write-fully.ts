import { writeSync } from 'node:fs';

/** Writes all bytes at a position before it returns. Throws EIO if the disk takes none. */
export function writeFully(descriptor: number, bytes: Uint8Array, position: number): void {
  for (let written = 0; written < bytes.length; ) {
    const count = writeSync(descriptor, bytes, written, bytes.length - written, position + written);
    // Trying again forever would block the thread.
    if (count === 0) throw Object.assign(new Error('the disk takes no bytes'), { code: 'EIO' });
    written += count;
  }
}
