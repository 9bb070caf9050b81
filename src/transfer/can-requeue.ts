import type { FetchError } from '../model/error.ts';

/** Connections that wrote so lately are at work. */
const STILL_MS = 5000;
const MAX_RETURNS = 4;

/**
 * Whether a connection whose tries are used up may leave its part of a file to the others: a server may let in fewer
 * connections than we have, and what still brings bytes can bring these too. Not for ever, and not where the
 * server has answered: that answer would be the same for all. Only a 503 is meant for one connection: servers refuse
 * with it those above their limit, for as long as the others last. It does not count as a return, because the others end.
 */
export function canRequeue(
  { code, status, retryAfterMs }: FetchError,
  file: { returns: number },
  silentMs: number,
): boolean {
  if (code !== 'NETWORK' || silentMs > STILL_MS) return false;
  // A wait that the server names is kept: another connection would not know of it.
  if (status !== undefined) return status === 503 && retryAfterMs === undefined;
  file.returns += 1;
  return file.returns <= MAX_RETURNS;
}
