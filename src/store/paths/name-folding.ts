import { closeSync, existsSync, openSync, rmSync } from 'node:fs';
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
 * Tests in a directory of ours which names the file system treats as equal. Looking at a parent tells nothing at
 * the root of a mount, and on some systems every directory has its own rule.
 */
export function probeFolding(directory: string): NameFolding {
  const [own, upper, decomposed] = [PROBE, PROBE.toUpperCase(), PROBE.normalize('NFD')].map((name) =>
    join(directory, name),
  ) as [string, string, string];
  for (const path of [own, upper, decomposed]) rmSync(path, { force: true });
  closeSync(openSync(own, 'wx'));
  try {
    // Inodes would not tell: some file systems number names and not files.
    return { case: existsSync(upper), unicode: existsSync(decomposed) };
  } finally {
    rmSync(own, { force: true });
  }
}
