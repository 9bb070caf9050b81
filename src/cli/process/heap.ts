import { setFlagsFromString } from 'node:v8';
import type { TransferEvent } from '../../model/event.ts';

// Collect garbage before it has doubled the heap: a long run makes much of it and keeps little.
setFlagsFromString('--heap-growing-percent=25');

/** Setting a flag takes longer than the rest of an event. */
const FILES_BETWEEN = 64;
let files = 0;

/**
 * What is young dies young here and needs little room: without this, V8 lets that room grow to 32 MiB with many
 * small files. Every thread that starts sets it back (V8's `Heap::ConfigureHeap`), so it is said again.
 */
export function limitYoungGeneration({ type }: TransferEvent): void {
  if (type === 'file-started' ? files++ % FILES_BETWEEN === 0 : type === 'resolved' || type === 'planned') {
    setFlagsFromString('--semi-space-growth-factor=1');
  }
}
