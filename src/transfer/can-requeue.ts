import type { FetchError } from '../model/error.ts';

/** Connections that wrote so lately are at work. */
const STILL_MS = 5000;
const MAX_RETURNS = 4;

/**
 * Whether a connection whose tries are used up may leave its part of a file to the others: a server may let in fewer
 * connections than we have, and what still brings bytes can bring these too. Not for ever, and not where the
 * server has answered: that answer would be the same for all.
 */
export function canRequeue(
  { code, status }: FetchError,
  file: { returns: number },
  silentMs: number,
): boolean {
  if (code !== 'NETWORK' || status !== undefined || silentMs > STILL_MS) return false;
  file.returns += 1;
  return file.returns <= MAX_RETURNS;
}
