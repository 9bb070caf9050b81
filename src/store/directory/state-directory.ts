import { readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { ensureDirectory } from '../../system/disk/make-directory.ts';
import { markCache, writeIfMissing } from '../../system/disk/mark-cache.ts';
import { removeEmptyDirectories } from '../../system/disk/remove-empty-directories.ts';
import { removeIfThere } from '../../system/disk/remove-if-there.ts';
import { HUB_DIRECTORY, inside, PARTS_DIRECTORY, STATE_DIRECTORY } from './layout.ts';

/** Creates the target directory and our state inside it. */
export class StateDirectory {
  readonly #directory: string;
  /** The topmost directory that this run created. */
  readonly #made: string | undefined;

  private constructor(directory: string, made: string | undefined) {
    this.#directory = directory;
    this.#made = made;
  }

  static async make(directory: string): Promise<StateDirectory> {
    const made = await ensureDirectory(inside(directory, PARTS_DIRECTORY));
    await writeIfMissing(inside(directory, `${STATE_DIRECTORY}/.gitignore`), '*\n');
    return new StateDirectory(directory, made);
  }

  /** Writes the marker files that `hf` puts beside its records, for git and for backup programs. */
  async markHubDirectory(): Promise<void> {
    await ensureDirectory(inside(this.#directory, HUB_DIRECTORY));
    await writeIfMissing(inside(this.#directory, `${HUB_DIRECTORY}/.gitignore`), '*');
    const about = 'The records in this directory were made by fetch, in the format of huggingface_hub.';
    await markCache(inside(this.#directory, HUB_DIRECTORY), about);
  }

  /** After a run without a result, removes the directories that it created if they are empty. */
  async removeIfUnused(): Promise<void> {
    const state = inside(this.#directory, STATE_DIRECTORY);
    const parts = inside(this.#directory, PARTS_DIRECTORY);
    if (this.#made === undefined || this.#made.length > state.length) return;
    // It holds a lock, an owner mark, a manifest or a part.
    const used = names(state).some((name) => name !== '.gitignore' && name !== 'parts');
    if (used || names(parts).length > 0) return;
    await removeIfThere(inside(state, '.gitignore')).catch(() => {});
    await removeEmptyDirectories(parts, dirname(this.#made));
  }
}

function names(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
