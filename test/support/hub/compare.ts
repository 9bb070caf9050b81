import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { TruthFile } from './truth.ts';

export interface Difference {
  readonly path: string;
  readonly what: 'missing' | 'extra' | 'size' | 'content';
  /** Offset of the first wrong byte, for `content`. */
  readonly offset?: number;
}

/** What a directory has otherwise than the truth says, byte by byte; `.cache/` is left out of it. */
export async function compareWithTruth(
  directory: string,
  truth: readonly TruthFile[],
): Promise<Difference[]> {
  const differences: Difference[] = [];
  for (const file of truth) {
    const difference = await compareFile(directory, file);
    if (difference !== undefined) differences.push(difference);
  }
  const known = new Set(truth.map((file) => file.path));
  for (const path of await filesBelow(directory)) {
    if (!known.has(path)) differences.push({ path, what: 'extra' });
  }
  return differences;
}

async function compareFile(
  directory: string,
  { path, size, content }: TruthFile,
): Promise<Difference | undefined> {
  const local = join(directory, path);
  const stats = await stat(local).catch(() => undefined);
  if (stats === undefined || !stats.isFile()) return { path, what: 'missing' };
  if (stats.size !== size) return { path, what: 'size' };
  let offset = 0;
  for await (const piece of createReadStream(local, { highWaterMark: 1 << 20 })) {
    const found = piece as Buffer;
    let at = 0;
    for await (const expected of content.read(offset, offset + found.length)) {
      const part = found.subarray(at, at + expected.length);
      if (!part.equals(expected)) {
        const wrong = expected.findIndex((byte, index) => byte !== part[index]);
        return { path, what: 'content', offset: offset + at + wrong };
      }
      at += expected.length;
    }
    offset += found.length;
  }
  return undefined;
}

/** Relative to the directory, with `/`. Links count as what they lead to. */
async function filesBelow(directory: string, below = ''): Promise<string[]> {
  const found: string[] = [];
  const entries = await readdir(join(directory, below), { withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    const path = below === '' ? entry.name : `${below}/${entry.name}`;
    // Of downloaders, not of the repository: only at the root.
    if (path === '.cache') continue;
    if (entry.isDirectory()) found.push(...(await filesBelow(directory, path)));
    else found.push(path);
  }
  return found;
}
