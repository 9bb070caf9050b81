import { closeSync, lstatSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** What a file system takes for the same name. */
export interface NameFolding {
  /** Upper and lower case. */
  readonly case: boolean;
  /** The two ways in which Unicode writes an accented letter. */
  readonly unicode: boolean;
}

const PROBE = 'probe-\u00e9';

/**
 * Tries out in a folder of ours what the file system takes for the same name. Looking at what is above tells nothing at
 * the root of a mount, and on some systems every folder has its own rule.
 */
export function probeFolding(folder: string): NameFolding {
  const probe = join(folder, PROBE);
  rmSync(probe, { force: true });
  closeSync(openSync(probe, 'wx'));
  try {
    const own = lstatSync(probe, { bigint: true });
    const isSame = (name: string): boolean => {
      const other = lstatSync(join(folder, name), { bigint: true, throwIfNoEntry: false });
      return other?.ino === own.ino && other.dev === own.dev;
    };
    return { case: isSame(PROBE.toUpperCase()), unicode: isSame(PROBE.normalize('NFD')) };
  } finally {
    rmSync(probe, { force: true });
  }
}
