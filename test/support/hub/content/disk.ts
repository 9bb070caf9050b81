import { createReadStream, statSync } from 'node:fs';

export function sizeOnDisk(path: string): { size: number; changed: number } {
  const stats = statSync(path);
  return { size: stats.size, changed: stats.mtimeMs };
}

export async function* readDisk(path: string, start: number, end: number): AsyncGenerator<Buffer> {
  if (start >= end) return;
  // The end of a Node stream is inclusive, ours is not.
  for await (const piece of createReadStream(path, { start, end: end - 1, highWaterMark: 1 << 20 })) {
    yield piece as Buffer;
  }
}
