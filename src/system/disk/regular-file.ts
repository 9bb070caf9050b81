import { type Stats, statSync } from 'node:fs';
import { diskError } from './disk-error.ts';

/** The regular file at a path. Follows links. */
export function regularFile(path: string): Stats | undefined {
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    return found?.isFile() === true ? found : undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // A parent is a file, or links form a circle.
    if (code === 'ENOTDIR' || code === 'ELOOP') return undefined;
    throw diskError(error, path);
  }
}
