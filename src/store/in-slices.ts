import { setImmediate } from 'node:timers/promises';

/** Items per slice: a slice of files takes a fraction of a second even on a slow network drive. */
const SLICE = 64;

/**
 * Processes many items on the main thread in slices, so that signals, heartbeats and progress bars are not blocked. Rejects
 * with the signal's reason.
 */
export async function inSlices<T>(
  items: readonly T[],
  work: (slice: readonly T[]) => void,
  signal?: AbortSignal,
): Promise<void> {
  for (let from = 0; from < items.length; from += SLICE) {
    signal?.throwIfAborted();
    work(items.slice(from, from + SLICE));
    await setImmediate();
  }
  signal?.throwIfAborted();
}
