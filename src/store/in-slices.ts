import { setImmediate } from 'node:timers/promises';

/** Files per slice: looking at them takes a fraction of a second even on a slow network drive. */
const SLICE = 64;

/**
 * Works through many items on the main thread and lets others have their turn in between: signals, heartbeats,
 * bars. Rejects with the signal's reason. `work` gets a few items at a time.
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
