import { rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ensureDirectory } from './make-directory.ts';

/** Folders that a run makes, so that nothing stays of a run that brought nothing. */
export class CreatedDirectories {
  /** Each with the topmost directory that was created. */
  readonly #made: { readonly path: string; readonly topmost: string }[] = [];

  async make(path: string, mode?: number): Promise<void> {
    const topmost = await ensureDirectory(path, mode);
    if (topmost !== undefined) this.#made.push({ path, topmost });
  }

  /** They are needed from now on, also those that are empty. */
  keep(): void {
    this.#made.length = 0;
  }

  /** The last one first, and each as far up as it was made and is empty. */
  async removeEmpty(): Promise<void> {
    for (const { path, topmost } of this.#made.splice(0).reverse()) {
      for (let directory = path; directory.length >= topmost.length; directory = dirname(directory)) {
        try {
          await rmdir(directory);
        } catch {
          break;
        }
      }
    }
  }
}
