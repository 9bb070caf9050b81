import { expect, test } from 'vitest';
import { FetchError } from '../../../src/model/error.ts';
import { peerFailure } from '../../../src/transfer/peer-failure.ts';

test.each([
  [{ status: 404 }, 'lacks the file'],
  [{ status: 410 }, 'lacks the file'],
  [{ status: 416 }, 'lacks the file'],
  [{ status: 429, retryable: true }, 'is busy'],
  [{ status: 503, retryable: true }, 'is busy'],
  [{ retryable: true }, 'broke off'],
  [{ retryable: true, unreached: true }, 'is of no use'],
  [{ retryable: false }, 'is of no use'],
  [{ status: 401, retryable: true }, 'is of no use'],
  [{ status: 500, retryable: true }, 'is of no use'],
])('%j: the peer %s', (options, meaning) => {
  expect(peerFailure(new FetchError('NETWORK', 'what happened', { hint: 'what to do', ...options }))).toBe(
    meaning,
  );
});
