import { dirname } from 'node:path';
import { FetchError } from '../model/error.ts';
import { type Lock, lockText } from '../store/lock-file.ts';
import { makeFolder } from '../store/make-folder.ts';
import { writeAtomically } from '../store/write-atomically.ts';
import { onDisk } from '../system/disk-error.ts';

/** Writes a lock file; readers see the old one or the new one. */
export async function writeLock(path: string, locks: readonly Lock[]): Promise<void> {
  try {
    await onDisk(path, async () => {
      await makeFolder(dirname(path));
      await writeAtomically(path, lockText(locks));
    });
  } catch (thrown) {
    if (!(thrown instanceof FetchError)) throw thrown;
    const hint = 'Free some space or check who owns the folder, or write it elsewhere with --lock FILE.';
    throw new FetchError(thrown.code, thrown.message, { hint, cause: thrown });
  }
}
