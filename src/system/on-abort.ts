import { setMaxListeners } from 'node:events';

/**
 * Calls back once when the signal aborts; the returned function takes that back. One signal ends a whole
 * run with dozens of lanes: Node must not take their listeners for a leak and warn on the terminal.
 */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  setMaxListeners(0, signal);
  signal.addEventListener('abort', callback, { once: true });
  return () => signal.removeEventListener('abort', callback);
}
