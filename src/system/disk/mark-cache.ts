import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Writes a small file if there is none of that name. Does not follow links. */
export async function writeIfMissing(path: string, content: string): Promise<void> {
  try {
    await writeFile(path, content, { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** Marks a directory with CACHEDIR.TAG, so that backup programs leave it out. `about` is one line on what it holds. */
export async function markCache(directory: string, about: string): Promise<void> {
  const lines = [
    'Signature: 8a477f597d28d172789f06886806bc55',
    `# ${about}`,
    '# About this file: https://bford.info/cachedir/',
  ];
  await writeIfMissing(join(directory, 'CACHEDIR.TAG'), `${lines.join('\n')}\n`);
}
