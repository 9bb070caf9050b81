import { FetchError, toFetchError } from '../model/error.ts';
import type { Clock, Random } from './clock.ts';

/** How often and how patiently to try again. */
export interface RetryPolicy {
  /** Attempts in a row that bring nothing before giving up; at least 1. */
  readonly tries: number;
  /**
   * The same as long as no server was reached at all: a name that does not exist or a machine without a network does
   * not get better by patience. `tries`, if that is fewer, or if this is left out.
   */
  readonly unreachedTries?: number;
  /** Wait before the second attempt, in milliseconds; doubles with every further one. */
  readonly baseDelayMs: number;
  /** Longest wait of our own, in milliseconds. */
  readonly maxDelayMs: number;
  /** The longest wait that a server may ask for; beyond it we give up and say so. */
  readonly maxServerDelayMs: number;
  /**
   * Waited once before giving up on a server that limits requests (429) without saying for how long: longer than
   * its window. Undefined for no such wait.
   */
  readonly quotaWindowMs?: number;
}

export const DEFAULT_RETRY_POLICY: RetryPolicy = {
  tries: 8,
  unreachedTries: 3,
  baseDelayMs: 500,
  maxDelayMs: 10_000,
  // The Hub counts requests in windows of five minutes; a wait longer than two of them is not its own.
  maxServerDelayMs: 600_000,
  quotaWindowMs: 305_000,
};

/** Whoever was not reached for so long is not asked a further time, where `unreachedTries` bounds it. */
const MAX_UNREACHED_MS = 3000;

/**
 * Milliseconds to wait before the next attempt, or undefined to give up. `failures` counts the attempts
 * in a row, this one included, that brought nothing. What the server asked for is a lower bound and is
 * never shortened; half of our own wait is random, so that many connections do not come back at once. A wait of
 * nothing is believed once: whoever fails again after it would use up all tries within milliseconds.
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
  // The exponent is bounded, because nothing times infinity is no number.
  const full = Math.min(policy.maxDelayMs, policy.baseDelayMs * 2 ** Math.min(Math.max(0, failures - 1), 60));
  const own = full * (0.5 + random() / 2);
  // Connections that were told the same do not come back in the same moment.
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
  /** Attempts in a row that had failed before. */
  readonly failures?: number;
  /** Told before every wait. `attempt` is the number of the attempt to come, from 2. */
  readonly onRetry: (error: FetchError, attempt: number, delayMs: number) => void;
}

/** What an attempt can tell the loop around it. */
export interface Attempt {
  /** Something was brought: the count of fruitless attempts starts again. */
  progressed(): void;
}

/**
 * The one retry loop of the program. Nothing below it retries. Ends with the result, with the last
 * FetchError, or with the signal's reason.
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
      // An attempt that brought something is the first of a new row.
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

/** Waits from here on, in milliseconds, are told with their end. */
const LONG_WAIT_MS = 60_000;

/** Unix time in milliseconds when a long wait is over; undefined for a short one. */
export function endOfWait(clock: Clock, delayMs: number): number | undefined {
  return delayMs < LONG_WAIT_MS ? undefined : clock.now() + delayMs;
}

/** Gateways strip the headers that say when a quota is full again. */
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
