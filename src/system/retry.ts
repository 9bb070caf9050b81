import { FetchError, toFetchError } from '../model/error.ts';
import type { Clock, Random } from './clock.ts';

/** How often to retry, and how long to wait in between. */
export interface RetryPolicy {
  /** Attempts in a row without progress before giving up; at least 1. */
  readonly tries: number;
  /**
   * The same while no server was reached at all: more attempts do not help against a wrong name or a missing network.
   * `tries` if that is fewer, or if this is left out.
   */
  readonly unreachedTries?: number;
  /** Wait before the second attempt, in milliseconds; doubles with every further one. */
  readonly baseDelayMs: number;
  /** Longest wait of our own, in milliseconds. */
  readonly maxDelayMs: number;
  /** The longest wait that a server may ask for, in milliseconds; we give up if it asks for more. */
  readonly maxServerDelayMs: number;
  /**
   * One last wait, in milliseconds, before giving up on a server that limits requests (429) without saying for how long:
   * longer than the Hub's window. No such wait if left out.
   */
  readonly quotaWindowMs?: number;
}

export const DEFAULT_RETRY_POLICY: RetryPolicy = {
  tries: 8,
  unreachedTries: 3,
  baseDelayMs: 500,
  maxDelayMs: 10_000,
  // The Hub's windows are five minutes; a wait of more than two windows does not come from it.
  maxServerDelayMs: 600_000,
  quotaWindowMs: 305_000,
};

/** A server that was not reached within this time is not retried further, if `unreachedTries` applies. */
const MAX_UNREACHED_MS = 3000;

/**
 * Milliseconds to wait before the next attempt, or undefined to give up. `failures` counts the attempts in a row
 * without progress, this one included. The server's wish is a lower bound; half of our own wait is random, so that many
 * connections do not return at once. A wish of 0 is granted once only: repeated failures would use up all attempts
 * within milliseconds.
 */
export function nextDelay(
  policy: RetryPolicy,
  failures: number,
  error: FetchError,
  random: Random,
): number | undefined {
  if (!error.retryable || failures >= triesFor(policy, error)) return undefined;
  const asked = error.retryAfterMs ?? -1;
  if (asked > policy.maxServerDelayMs) return undefined;
  if (asked === 0 && failures <= 1) return 0;
  // Bound the exponent: with a base delay of 0, `0 * 2 ** 1024` is NaN.
  const full = Math.min(policy.maxDelayMs, policy.baseDelayMs * 2 ** Math.min(Math.max(0, failures - 1), 60));
  const own = full * (0.5 + random() / 2);
  // Spread the returns of connections that were given the same wait.
  return asked > own ? asked + random() * Math.min(asked / 10, policy.baseDelayMs) : own;
}

function triesFor({ tries, unreachedTries = tries }: RetryPolicy, { unreached }: FetchError): number {
  return unreached ? Math.min(tries, unreachedTries) : tries;
}

export interface RetryContext {
  readonly policy: RetryPolicy;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
  /** Attempts in a row that failed before this loop; 0 if left out. */
  readonly failures?: number;
  /** Called before every wait. `attempt` is the number of the next attempt, from 2; the wait is in milliseconds. */
  readonly onRetry: (error: FetchError, attempt: number, delayMs: number) => void;
}

/** The retry loop, as an attempt sees it. */
export interface Attempt {
  /** Records progress: the count of failures starts again. */
  progressed(): void;
}

/**
 * The one retry loop of the program: nothing that it calls retries. Returns the result; throws the last FetchError, or
 * the signal's reason.
 */
export async function retrying<T>(
  operation: (attempt: Attempt) => Promise<T>,
  context: RetryContext,
): Promise<T> {
  const { policy, clock } = context;
  const began = clock.monotonic();
  let failures = context.failures ?? 0;
  let outlasted = false;
  for (;;) {
    context.signal.throwIfAborted();
    let progressed = false;
    const attempt: Attempt = {
      progressed: () => {
        progressed = true;
      },
    };
    try {
      return await operation(attempt);
    } catch (thrown) {
      context.signal.throwIfAborted();
      const error = toFetchError(thrown);
      // An attempt with progress starts a new row of failures.
      failures = progressed ? 1 : failures + 1;
      const late = triesFor(policy, error) < policy.tries && clock.monotonic() - began > MAX_UNREACHED_MS;
      let delay = late ? undefined : nextDelay(policy, failures, error, context.random);
      if (delay === undefined && !outlasted && isUnexplainedLimit(error) && policy.tries > 1) {
        outlasted = true;
        failures = 0;
        delay = policy.quotaWindowMs;
      }
      if (delay === undefined) throw gaveUp(error, failures, policy);
      context.onRetry(error, failures + 1, delay);
      await clock.sleep(delay, context.signal);
    }
  }
}

/** Waits of at least this time, in milliseconds, are reported with their end. */
const LONG_WAIT_MS = 60_000;

/** Unix time in milliseconds when a long wait is over; undefined for a short one. */
export function endOfWait(clock: Clock, delayMs: number): number | undefined {
  return delayMs < LONG_WAIT_MS ? undefined : clock.now() + delayMs;
}

/** Whether a 429 does not say when to return: some gateways strip those headers. */
function isUnexplainedLimit({ status, retryAfterMs }: FetchError): boolean {
  return status === 429 && retryAfterMs === undefined;
}

function gaveUp(error: FetchError, failures: number, policy: RetryPolicy): FetchError {
  if (!error.retryable) return error;
  const why =
    error.retryAfterMs !== undefined && error.retryAfterMs > policy.maxServerDelayMs
      ? `the server asked to wait ${Math.round(error.retryAfterMs / 1000)} s, which is too long`
      : `gave up after ${failures} ${failures === 1 ? 'try' : 'tries'} in a row without progress`;
  return new FetchError(error.code, `${error.message}; ${why}`, {
    hint: error.hint,
    cause: error.cause ?? error,
    status: error.status,
    retryAfterMs: error.retryAfterMs,
  });
}
