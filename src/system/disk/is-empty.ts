import { opendirSync } from 'node:fs';

/** Whether nothing is at this path, or a directory without entries. False for what cannot be read. */
export function isEmpty(path: string): boolean {
  try {
    const directory = opendirSync(path);
    try {
      return directory.readSync() === null;
    } finally {
      directory.closeSync();
    }
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}
