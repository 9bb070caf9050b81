import { closeSync, existsSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** Which names a file system treats as equal. */
export interface NameFolding {
  /** Names that differ in case. */
  readonly case: boolean;
  /** Names that differ in Unicode normalisation. */
  readonly unicode: boolean;
}

const PROBE = 'probe-\u00e9';

/**
 * Tests in our own directory which names the file system treats as equal. The parent tells nothing at the root of a mount,
 * and on some systems each directory has its own rule.
 */
export function probeFolding(directory: string): NameFolding {
  const [own, upper, decomposed] = [PROBE, PROBE.toUpperCase(), PROBE.normalize('NFD')].map((name) =>
    join(directory, name),
  ) as [string, string, string];
  for (const path of [own, upper, decomposed]) rmSync(path, { force: true });
  closeSync(openSync(own, 'wx'));
  try {
    // Inodes do not tell: some file systems number names and not files.
    return { case: existsSync(upper), unicode: existsSync(decomposed) };
  } finally {
    rmSync(own, { force: true });
  }
}
