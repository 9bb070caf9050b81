import { type Stats, statSync } from 'node:fs';
import { diskError } from './disk-error.ts';

/** The regular file at a path, also behind a link. */
export function regularFile(path: string): Stats | undefined {
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    return found?.isFile() === true ? found : undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // A file on the way to it, or a link that leads in a circle: no file either.
    if (code === 'ENOTDIR' || code === 'ELOOP') return undefined;
    throw diskError(error, path);
  }
}
