import { type Stats, statSync } from 'node:fs';
import { diskError } from './disk-error.ts';

/** What stands at a path if it is a file, or a link to one. */
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
