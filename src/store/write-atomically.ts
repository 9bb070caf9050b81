import { open, rename, unlink } from 'node:fs/promises';
import { removeIfThere } from './staged-part.ts';

/** Writes a small file so that readers see the old content or the new, also after a power cut. */
export async function writeAtomically(
  path: string,
  content: string,
  temporary: string = `${path}.new`,
): Promise<void> {
  // What a killed run left, or a link: never written through.
  await removeIfThere(temporary);
  try {
    const file = await open(temporary, 'wx');
    try {
      await file.writeFile(content);
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(() => {});
    throw error;
  }
}
