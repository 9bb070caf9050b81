import { readdirSync, readFileSync } from 'node:fs';
import { lacksDescriptor } from '../../system/descriptor-shortage.ts';
import { diskError } from '../../system/disk/disk-error.ts';

/**
 * The text of a record; undefined if there is none, or none that this user may read. Throws where there is no free descriptor:
 * what the record says is not known then.
 */
export function readRecord(path: string): string | undefined {
  return known(path, () => readFileSync(path, 'utf8'));
}

/** The names in a directory of records; none if there is no such directory. Throws as `readRecord`. */
export function recordNames(directory: string): readonly string[] {
  return known(directory, () => readdirSync(directory)) ?? [];
}

function known<T>(path: string, look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (lacksDescriptor(error)) throw diskError(error, path);
    return undefined;
  }
}
