import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { FetchError } from '../../model/error.ts';
import { diskError } from '../../system/disk/disk-error.ts';
import type { OllamaPaths } from './ollama-paths.ts';

/** Registries accept no larger manifest. */
const MAX_BYTES = 32 * 1024 * 1024;

/**
 * The bytes of a model's manifest in the store; undefined if it is not there. Throws INTEGRITY if it is too large.
 */
export function readInstalled({ manifest }: Pick<OllamaPaths, 'manifest'>): Buffer | undefined {
  let descriptor: number;
  try {
    // O_NONBLOCK: opening a pipe for reading would wait for a writer.
    descriptor = openSync(manifest, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(code)) return undefined;
    throw diskError(error, manifest);
  }
  try {
    const found = fstatSync(descriptor);
    if (!found.isFile()) return undefined;
    if (found.size > MAX_BYTES) {
      throw new FetchError('INTEGRITY', `${manifest} is not a manifest: it has ${found.size} bytes`, {
        hint: 'Remove it, and fetch the model again with --ollama.',
      });
    }
    return readFileSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
