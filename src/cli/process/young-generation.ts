import { setFlagsFromString } from 'node:v8';
import type { TransferEvent } from '../../model/event.ts';

// Collect before the heap has doubled: a long run allocates much and keeps little.
setFlagsFromString('--heap-growing-percent=25');

/** Setting a flag costs more than the rest of an event, so it is not done for every file. */
const FILES_BETWEEN = 64;
let files = 0;

/**
 * Limits the young generation: allocations here are short-lived, and without the limit V8 lets it grow to 32 MiB with
 * many small files. Every thread that starts resets the flag (V8's `Heap::ConfigureHeap`), so it is set again.
 */
export function limitYoungGeneration({ type }: TransferEvent): void {
  if (type === 'file-started' ? files++ % FILES_BETWEEN === 0 : type === 'resolved' || type === 'planned') {
    setFlagsFromString('--semi-space-growth-factor=1');
  }
}
