import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const STEP = Buffer.alloc(8 * 1024 * 1024);

/**
 * Uses so much memory for a moment. The host of a virtual machine takes free memory back, and the first touch of
 * a page then costs ten times what it costs later: whichever run met such pages would look slow by chance.
 */
export function touchMemory(directory: string, bytes: number): void {
  const path = join(directory, 'touched');
  fill(path, bytes);
  rmSync(path);
}

/** Keeps so much memory in use until the directory is removed: the less is free, the more is used again. */
export function holdMemory(directory: string, bytes: number): void {
  fill(join(directory, 'ballast'), bytes);
}

function fill(path: string, bytes: number): void {
  const descriptor = openSync(path, 'w');
  for (let left = bytes; left > 0; left -= STEP.length)
    writeSync(descriptor, STEP, 0, Math.min(left, STEP.length));
  closeSync(descriptor);
}
