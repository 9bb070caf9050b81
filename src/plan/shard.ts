import type { RemoteFile } from '../model/remote-file.ts';

/** One of several parts of a download. */
export interface Shard {
  /** From 1 to `count`. */
  readonly index: number;
  /** Number of all parts. */
  readonly count: number;
}

/**
 * The files of one part, in the order that they came in. Whole files, spread so that the parts are about equally
 * large: the largest first, each to the part that has the least so far. Depends on paths and sizes only, so that
 * everybody who asks with the same listing and count gets parts that fit together.
 */
export function shardOf(files: readonly RemoteFile[], { index, count }: Shard): readonly RemoteFile[] {
  const bytes = new Array<number>(count).fill(0);
  const mine = new Set<string>();
  const order = files.toSorted((left, right) => right.size - left.size || (left.path < right.path ? -1 : 1));
  for (const { path, size } of order) {
    const least = bytes.indexOf(Math.min(...bytes));
    // An empty file is work too: without this all of them would go to one part.
    bytes[least]! += size + 1;
    if (least === index - 1) mine.add(path);
  }
  return files.filter((file) => mine.has(file.path));
}
