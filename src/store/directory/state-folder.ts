import { readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ensureDirectory } from '../../system/disk/make-directory.ts';
import { removeEmptyDirectories } from '../../system/disk/remove-empty-directories.ts';
import { removeIfThere } from '../../system/disk/remove-if-there.ts';
import { HUB_DIRECTORY, inside, PARTS_DIRECTORY, STATE_DIRECTORY } from './layout.ts';

const CACHE_TAG = `Signature: 8a477f597d28d172789f06886806bc55
# The records in this folder were made by fetch, in the format of huggingface_hub.
# About this file: https://bford.info/cachedir/
`;

/** The directories of a run's state, and the target directory around them. */
export class StateDirectory {
  readonly #directory: string;
  /** The topmost directory that was created. */
  readonly #made: string | undefined;

  private constructor(directory: string, made: string | undefined) {
    this.#directory = directory;
    this.#made = made;
  }

  static async make(directory: string): Promise<StateDirectory> {
    const made = await ensureDirectory(inside(directory, PARTS_DIRECTORY));
    await writeOnce(inside(directory, `${STATE_DIRECTORY}/.gitignore`), '*\n');
    return new StateDirectory(directory, made);
  }

  /** Files that `hf` puts beside its records, for git and for backup programs. */
  async markHubFolder(): Promise<void> {
    await ensureDirectory(inside(this.#directory, HUB_DIRECTORY));
    await writeOnce(inside(this.#directory, `${HUB_DIRECTORY}/.gitignore`), '*');
    await writeOnce(inside(this.#directory, `${HUB_DIRECTORY}/CACHEDIR.TAG`), CACHE_TAG);
  }

  /** After a run without a result: removes the directories it made, as far as they are empty. */
  async removeIfUnused(): Promise<void> {
    const state = inside(this.#directory, STATE_DIRECTORY);
    const parts = inside(this.#directory, PARTS_DIRECTORY);
    if (this.#made === undefined || this.#made.length > state.length) return;
    // Not empty: it holds a lock, a claim, a manifest or a part.
    const used = names(state).some((name) => name !== '.gitignore' && name !== 'parts');
    if (used || names(parts).length > 0) return;
    await removeIfThere(inside(state, '.gitignore')).catch(() => {});
    await removeEmptyDirectories(parts, dirname(this.#made));
  }
}

async function writeOnce(path: string, content: string): Promise<void> {
  try {
    await writeFile(path, content, { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

function names(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
