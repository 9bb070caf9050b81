import { serverDelay } from '../http/retry-after.ts';
import { FetchError } from '../model/error.ts';

type Headers = { readonly [name: string]: string | string[] | undefined };

/**
 * A host's refusal to send a file's bytes. Every status may be the fault of the address rather than of the
 * file: whoever located it decides, so all of them are retryable.
 */
export function refusedBytes(
  host: string,
  path: string,
  status: number,
  headers: Headers,
  nowMs: number,
): FetchError {
  return new FetchError('NETWORK', `${host} answered ${status} for ${path}`, {
    status,
    retryable: true,
    retryAfterMs: status === 429 || status === 503 ? serverDelay(headers, nowMs) : undefined,
    hint: `${host} serves the file's bytes. If it goes on like this, try again later.`,
  });
}
