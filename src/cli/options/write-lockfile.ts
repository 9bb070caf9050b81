import { dirname } from 'node:path';
import { FetchError } from '../../model/error.ts';
import { type Lockfile, lockText } from '../../store/records/lockfile.ts';
import { onDisk } from '../../system/disk/disk-error.ts';
import { ensureDirectory } from '../../system/disk/make-directory.ts';
import { writeAtomically } from '../../system/disk/write-atomically.ts';

/** Writes a lockfile; readers see the old one or the new one. */
export async function writeLock(path: string, locks: readonly Lockfile[]): Promise<void> {
  try {
    await onDisk(path, async () => {
      await ensureDirectory(dirname(path));
      await writeAtomically(path, lockText(locks));
    });
  } catch (thrown) {
    if (!(thrown instanceof FetchError)) throw thrown;
    const hint = 'Free some space or check who owns the directory, or write it elsewhere with --lock FILE.';
    throw new FetchError(thrown.code, thrown.message, { hint, cause: thrown });
  }
}
