import { createHash, randomUUID } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureDirectory } from '../../system/disk/make-directory.ts';

/** Larger responses are not worth the space. */
const MAX_ENTRY_BYTES = 8_000_000;
/** Entries that were not read for this long are removed. */
const MAX_AGE_MS = 60 * 24 * 3600 * 1000;
const MAX_ENTRIES = 5000;

/** Caches responses that cannot change, because their key contains a commit or a digest. Any error counts as a cache miss. */
export class ResponseCache {
  readonly #directory: string;
  #made: Promise<unknown> | undefined;

  /** `directory` is an absolute path. It need not exist. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  get(key: string): Buffer | undefined {
    try {
      return readFileSync(this.#path(key));
    } catch {
      return undefined;
    }
  }

  async put(key: string, content: Uint8Array | string): Promise<void> {
    if (content.length > MAX_ENTRY_BYTES) return;
    try {
      // Private repositories have private listings.
      this.#made ??= ensureDirectory(this.#directory, 0o700);
      await this.#made;
      const path = this.#path(key);
      const temporary = `${path}.${randomUUID()}`;
      await writeFile(temporary, content, { flag: 'wx', mode: 0o600 });
      await rename(temporary, path);
    } catch {
      // The response is usable even if it cannot be cached.
    }
  }

  /** Removes old entries, and the oldest ones above the limit. */
  prune(nowMs: number): void {
    try {
      const entries = readdirSync(this.#directory)
        .map((name) => join(this.#directory, name))
        .map((path) => ({ path, mtimeMs: statSync(path).mtimeMs }))
        .sort((left, right) => right.mtimeMs - left.mtimeMs);
      for (const [index, { path, mtimeMs }] of entries.entries()) {
        if (index >= MAX_ENTRIES || nowMs - mtimeMs > MAX_AGE_MS) rmSync(path, { force: true });
      }
    } catch {
      // Another run may be pruning as well.
    }
  }

  #path(key: string): string {
    return join(this.#directory, createHash('sha256').update(key).digest('hex'));
  }
}
