import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ByteRange } from '../../model/byte-range.ts';
import { bootId } from '../../system/disk/boot-id.ts';
import { PartJournal } from './part-journal.ts';

/** Bytes that an unfinished download has written. None of them is hashed. */
export interface UnfinishedContent {
  readonly path: string;
  /** Size of the whole content in bytes. */
  readonly size: number;
  readonly ranges: readonly ByteRange[];
}

/** Parts with at least one complete block, by the digest of their content as `ALGORITHM:HEX`. */
export function findParts(directory: string): ReadonlyMap<string, readonly UnfinishedContent[]> {
  const found = new Map<string, UnfinishedContent[]>();
  const boot = bootId();
  for (const name of namesIn(directory)) {
    if (!name.endsWith('.blocks')) continue;
    const journal = join(directory, name);
    const identity = PartJournal.identify(journal);
    const path = join(directory, name.replace(/blocks$/, 'part'));
    if (identity === undefined) continue;
    const part = lstatSync(path, { throwIfNoEntry: false });
    // A file with a second link may belong to another program.
    if (part?.isFile() !== true || part.nlink !== 1) continue;
    const ranges = PartJournal.peek(journal, identity, part.size, boot);
    if (ranges.length === 0) continue;
    const { content, size } = identity;
    found.set(content, [...(found.get(content) ?? []), { path, size, ranges }]);
  }
  return found;
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
