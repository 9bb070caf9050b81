import type { FetchError } from '../model/error.ts';

/** What a failed request says about a peer. */
export type PeerFailure = 'lacks the file' | 'is busy' | 'broke off' | 'is of no use';

/** Judges the failure of a request for file bytes. */
export function peerFailure({ status, unreached, retryable }: FetchError): PeerFailure {
  if (status === 404 || status === 410 || status === 416) return 'lacks the file';
  if (status === 429 || status === 503) return 'is busy';
  return status === undefined && retryable && !unreached ? 'broke off' : 'is of no use';
}
