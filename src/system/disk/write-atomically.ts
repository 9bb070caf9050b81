import { existsSync } from 'node:fs';
import { open, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { despiteOthers } from './collision.ts';
import { Flush } from './flush.ts';
import { removeIfThere } from './remove-if-there.ts';

export interface AtomicWrite {
  /** The temporary file, on the same file system. */
  readonly temporary?: string;
  readonly flush?: Flush;
}

/** Writes a small file so that readers see the old content or the new, also after a power cut. */
export async function writeAtomically(
  path: string,
  content: string | Uint8Array,
  { temporary = `${path}.new`, flush = new Flush() }: AtomicWrite = {},
): Promise<void> {
  // Two runs that do not see each other's lock may collide here.
  await despiteOthers(
    () => tryToWrite(path, content, temporary, flush),
    (error) => isMeeting(error, temporary),
  );
}

async function tryToWrite(
  path: string,
  content: string | Uint8Array,
  temporary: string,
  flush: Flush,
): Promise<void> {
  // Removes what a killed run left, or a link.
  await removeIfThere(temporary);
  try {
    const file = await open(temporary, 'wx');
    try {
      await file.writeFile(content);
      await flush.file(file.fd);
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    // Leaves a temporary file that another run has just created.
    if (!isMeeting(error, temporary)) await unlink(temporary).catch(() => {});
    throw error;
  }
}

/** Whether another run removed, renamed or created the temporary file; the directory still exists. */
function isMeeting(error: unknown, temporary: string): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'EEXIST' || (code === 'ENOENT' && existsSync(dirname(temporary)));
}
