import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readlinkSync,
  realpathSync,
  renameSync,
} from 'node:fs';
import { basename, dirname, join, relative, sep } from 'node:path';
import { FetchError } from '../../model/error.ts';
import type { Flush } from '../../system/disk/flush.ts';

/** Linux: a path through the open descriptor of a directory, independent of its current name. */
const OPEN_DIRECTORIES = '/proc/self/fd';

/**
 * Moves finished files to their names inside a directory, and never through a link in it: another process could replace a
 * directory by a link during the transfer.
 */
export class FinalPlace {
  readonly #root: string;
  readonly #touched = new Set<string>();
  readonly #canPin: boolean = existsSync(OPEN_DIRECTORIES) && constants.O_DIRECTORY !== undefined;
  #real: string | undefined;

  /** `root` is absolute. Its own path may contain links. */
  constructor(root: string) {
    this.#root = root;
  }

  /** Moves a file to its name below the root. Throws DISK if a directory on the way is a link. */
  move(from: string, final: string): void {
    const directory = dirname(final);
    const descriptor = this.#pin(directory);
    try {
      // Through a descriptor a path that is too long would succeed, and the file could not be opened by its name later.
      if (descriptor !== undefined) lstatSync(final, { throwIfNoEntry: false });
      const target =
        descriptor === undefined ? final : join(OPEN_DIRECTORIES, String(descriptor), basename(final));
      renameSync(from, target);
    } finally {
      if (descriptor !== undefined) closeSync(descriptor);
    }
    this.moved(directory);
  }

  /** Another thread has moved a file into this directory. */
  moved(directory: string): void {
    this.#touched.add(directory);
  }

  /** Makes all new names durable, with those of the directories that were made for them. */
  async makeDurable(flush: Flush): Promise<void> {
    const directories = new Set<string>();
    for (const touched of this.#touched) {
      for (let directory = touched; !directories.has(directory); directory = dirname(directory)) {
        directories.add(directory);
        if (directory === this.#root) break;
      }
    }
    // This run may have created the root.
    if (directories.size > 0) directories.add(dirname(this.#root));
    this.#touched.clear();
    for (const directory of directories) await flush.directory(directory);
  }

  /** Opens a directory without following links. Where the system cannot do that, checks the path and returns undefined. */
  #pin(directory: string): number | undefined {
    const descriptor = this.#canPin ? (this.#open(directory) ?? this.#openNew(directory)) : undefined;
    if (descriptor === undefined) {
      this.#walk(directory);
      return undefined;
    }
    try {
      if (readlinkSync(join(OPEN_DIRECTORIES, String(descriptor))) === this.#realPath(directory))
        return descriptor;
      // Another spelling of the name, on a file system that treats both as equal.
      this.#walk(directory);
      const [own, named] = [fstatSync(descriptor), lstatSync(directory)];
      if (own.ino === named.ino && own.dev === named.dev) return descriptor;
      throw replaced(directory);
    } catch (error) {
      closeSync(descriptor);
      throw error;
    }
  }

  #openNew(directory: string): number | undefined {
    this.#walk(directory);
    return this.#open(directory);
  }

  #open(directory: string): number | undefined {
    try {
      return openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    } catch {
      // Missing, a link, or not readable: checking each part of the path tells which.
      return undefined;
    }
  }

  /** Checks every directory from the root to this one, and creates missing ones. */
  #walk(directory: string): void {
    let path = this.#root;
    for (const name of relative(this.#root, directory).split(sep)) {
      if (name === '') continue;
      path = join(path, name);
      const found = lstatSync(path, { throwIfNoEntry: false });
      if (found?.isSymbolicLink() === true) throw replaced(path);
      if (found === undefined) make(path);
    }
  }

  #realPath(directory: string): string {
    this.#real ??= realpathSync(this.#root);
    return join(this.#real, relative(this.#root, directory));
  }
}

function make(directory: string): void {
  try {
    mkdirSync(directory);
  } catch (error) {
    // Another file of the run may have created it.
    if (lstatSync(directory, { throwIfNoEntry: false })?.isDirectory() !== true) throw error;
  }
}

function replaced(directory: string): FetchError {
  return new FetchError(
    'DISK',
    `${directory}: a link was put in the place of this directory during the run`,
    {
      hint: 'Nothing was written through it. Remove the link, see who made it, and run the same command again.',
    },
  );
}
