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
} from 'node:fs';
import { rename } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import { FetchError } from '../../model/error.ts';
import type { Flush } from '../../system/disk/flush.ts';

/** Linux: a path through the open descriptor of a directory, independent of its current name. */
const OPEN_FOLDERS = '/proc/self/fd';

/**
 * Where finished files get their names: inside a directory, never through a link in it. Another process that may
 * write there could replace a directory by a link during the transfer.
 */
export class FinalPlace {
  readonly #root: string;
  readonly #touched = new Set<string>();
  readonly #canPin: boolean = existsSync(OPEN_FOLDERS) && constants.O_DIRECTORY !== undefined;
  #real: string | undefined;

  /** `root` is absolute and may itself be reached through links. */
  constructor(root: string) {
    this.#root = root;
  }

  /** Moves a file to its name below the root. Throws DISK if a directory on the way is a link. */
  async move(from: string, final: string): Promise<void> {
    const folder = dirname(final);
    const descriptor = this.#pin(folder);
    try {
      // Through a descriptor an overlong path would succeed, and the file could not be opened by its name later.
      if (descriptor !== undefined) lstatSync(final, { throwIfNoEntry: false });
      const target =
        descriptor === undefined ? final : join(OPEN_FOLDERS, String(descriptor), basename(final));
      await rename(from, target);
    } finally {
      if (descriptor !== undefined) closeSync(descriptor);
    }
    this.#touched.add(folder);
  }

  /** Makes the names durable that were given since the last time, and those of the folders that were made for them. */
  async makeDurable(flush: Flush): Promise<void> {
    const folders = new Set<string>();
    for (const touched of this.#touched) {
      for (let folder = touched; !folders.has(folder); folder = dirname(folder)) {
        folders.add(folder);
        if (folder === this.#root) break;
      }
    }
    // The root may have been made by this run.
    if (folders.size > 0) folders.add(dirname(this.#root));
    this.#touched.clear();
    for (const folder of folders) await flush.folder(folder);
  }

  /** Opens a directory without following links; undefined where the system cannot do that, after a check. */
  #pin(folder: string): number | undefined {
    const descriptor = this.#canPin ? (this.#open(folder) ?? this.#openNew(folder)) : undefined;
    if (descriptor === undefined) {
      this.#walk(folder);
      return undefined;
    }
    try {
      if (readlinkSync(join(OPEN_FOLDERS, String(descriptor))) === this.#realPath(folder)) return descriptor;
      // Another spelling, on a file system that takes names for the same.
      this.#walk(folder);
      const [own, named] = [fstatSync(descriptor), lstatSync(folder)];
      if (own.ino === named.ino && own.dev === named.dev) return descriptor;
      throw replaced(folder);
    } catch (error) {
      closeSync(descriptor);
      throw error;
    }
  }

  #openNew(folder: string): number | undefined {
    this.#walk(folder);
    return this.#open(folder);
  }

  #open(folder: string): number | undefined {
    try {
      return openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    } catch {
      // Not there, a link, or not to be read: looking at each part of the path tells.
      return undefined;
    }
  }

  /** Checks every directory from the root to this one, and makes those that are missing. */
  #walk(folder: string): void {
    let path = this.#root;
    for (const name of relative(this.#root, folder).split(sep)) {
      if (name === '') continue;
      path = join(path, name);
      const found = lstatSync(path, { throwIfNoEntry: false });
      if (found?.isSymbolicLink() === true) throw replaced(path);
      if (found === undefined) make(path);
    }
  }

  #realPath(folder: string): string {
    this.#real ??= realpathSync(this.#root);
    return join(this.#real, relative(this.#root, folder));
  }
}

function make(folder: string): void {
  try {
    mkdirSync(folder);
  } catch (error) {
    // Another file of the run may have needed it as well.
    if (lstatSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) throw error;
  }
}

function replaced(folder: string): FetchError {
  return new FetchError('DISK', `${folder}: a link was put in the place of this folder during the run`, {
    hint: 'Nothing was written through it. Remove the link, see who made it, and run the same command again.',
  });
}
