import { setMaxListeners } from 'node:events';

/**
 * Calls back once when the signal aborts; the returned function takes that back. One signal ends a whole
 * run with dozens of connections: Node must not take their listeners for a leak and warn on the terminal.
 */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  setMaxListeners(0, signal);
  signal.addEventListener('abort', callback, { once: true });
  return () => signal.removeEventListener('abort', callback);
}

/** The outcome of some work, or the signal's reason as soon as it aborts; the work itself is not stopped by it. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await work;
  let stopListening = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else stopListening = onAbort(signal, () => reject(signal.reason));
  });
  try {
    return await Promise.race([aborted, work]);
  } finally {
    stopListening();
    // Nobody waits for it any more.
    work.catch(() => {});
  }
}
