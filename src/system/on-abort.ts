import { setMaxListeners } from 'node:events';

/**
 * Calls back once when the signal aborts; the returned function removes the listener. A signal may have dozens of
 * listeners, one for each connection, so Node's warning about a leak is switched off.
 */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  setMaxListeners(0, signal);
  signal.addEventListener('abort', callback, { once: true });
  return () => signal.removeEventListener('abort', callback);
}

/** Resolves as `work` does, or rejects with the signal's reason as soon as it aborts. It does not stop the work. */
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
    // After an abort nothing awaits the work: its failure must not become an unhandled rejection.
    work.catch(() => {});
  }
}
