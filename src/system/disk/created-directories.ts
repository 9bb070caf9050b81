import { dirname } from 'node:path';
import { ensureDirectory } from './make-directory.ts';
import { removeEmptyDirectories } from './remove-empty-directories.ts';

/** Directories that a run created, so that a run without a result can remove them. */
export class CreatedDirectories {
  /** Each with the topmost directory that was created. */
  readonly #made: { readonly path: string; readonly topmost: string }[] = [];

  async make(path: string, mode?: number): Promise<void> {
    const topmost = await ensureDirectory(path, mode);
    if (topmost !== undefined) this.#made.push({ path, topmost });
  }

  /** Keeps the directories, even empty ones. */
  keep(): void {
    this.#made.length = 0;
  }

  /** Removes those that are empty, the last created first. */
  async removeEmpty(): Promise<void> {
    for (const { path, topmost } of this.#made.splice(0).reverse()) {
      await removeEmptyDirectories(path, dirname(topmost));
    }
  }
}
