import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FetchError } from '../../../src/model/error.ts';
import {
  DEFAULT_RETRY_POLICY,
  nextDelay,
  type RetryContext,
  type RetryPolicy,
  retrying,
} from '../../../src/system/retry.ts';
import { randomNumbers } from '../../support/hub/faults/script.ts';
import { InstantClock, ManualClock } from '../../support/manual-clock.ts';

const POLICY: RetryPolicy = { tries: 4, baseDelayMs: 100, maxDelayMs: 1000, maxServerDelayMs: 60_000 };

function failure(retryAfterMs?: number): FetchError {
  return new FetchError('NETWORK', 'it broke', { retryable: true, retryAfterMs, status: 503, hint: 'wait' });
}

describe('the policy', () => {
  test.each([
    [1, 0, 50],
    [1, 0.999, 100],
    [2, 0, 100],
    [3, 0.5, 300],
    [3, 0, 200],
  ])('failure %d with chance %d waits %d ms', (failures, chance, expected) => {
    expect(nextDelay(POLICY, failures, failure(), () => chance)).toBeCloseTo(expected, -1);
  });

  test('never waits longer than its maximum by itself', () => {
    const input = { ...POLICY, tries: Number.POSITIVE_INFINITY };
    for (const failures of [5, 50, 5000, Number.MAX_SAFE_INTEGER]) {
      expect(nextDelay(input, failures, failure(), () => 0.999)).toBeLessThanOrEqual(1000);
    }
    expect(nextDelay({ ...input, baseDelayMs: 0 }, 5000, failure(), () => 0)).toBe(0);
  });

  test('gives up after the last try, and on what no try can mend', () => {
    expect(nextDelay(POLICY, 3, failure(), () => 0)).toBeDefined();
    expect(nextDelay(POLICY, 4, failure(), () => 0)).toBeUndefined();
    expect(nextDelay(POLICY, 1, new FetchError('ACCESS', 'no'), () => 0)).toBeUndefined();
  });

  test('tries less often as long as no server was reached, unless a number is given', () => {
    const unreached = new FetchError('NETWORK', 'no such name', { retryable: true, unreached: true });
    const policy = { ...POLICY, tries: 8, unreachedTries: 3 };
    expect(nextDelay(policy, 2, unreached, () => 0)).toBeDefined();
    expect(nextDelay(policy, 3, unreached, () => 0)).toBeUndefined();
    expect(nextDelay(policy, 3, failure(), () => 0)).toBeDefined();
    expect(nextDelay({ ...policy, tries: 1 }, 1, unreached, () => 0)).toBeUndefined();
    expect(nextDelay({ ...POLICY, tries: 8 }, 7, unreached, () => 0)).toBeDefined();
  });

  test('gives up when the server asks for too long', () => {
    expect(nextDelay(POLICY, 1, failure(60_000), () => 0)).toBe(60_000);
    expect(nextDelay(POLICY, 1, failure(60_001), () => 0)).toBeUndefined();
  });

  test('believes in an immediate second try once only', () => {
    expect(nextDelay(POLICY, 1, failure(0), () => 0)).toBe(0);
    expect(nextDelay(POLICY, 2, failure(0), () => 0)).toBe(100);
    expect(nextDelay(POLICY, 3, failure(0), () => 0)).toBe(200);
  });

  test('never comes back before the server said, nor much later', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 60_000 }),
        fc.double({ min: 0, max: 0.999_999, noNaN: true }),
        (failures, asked, chance) => {
          const delay = nextDelay(POLICY, failures, failure(asked), () => chance)!;
          expect(delay).toBeGreaterThanOrEqual(asked);
          expect(delay).toBeLessThanOrEqual(Math.max(asked, POLICY.maxDelayMs) + POLICY.baseDelayMs);
        },
      ),
    );
  });
});

function context(overrides: Partial<RetryContext> = {}): RetryContext {
  return {
    policy: POLICY,
    clock: new InstantClock(),
    random: randomNumbers(1),
    signal: new AbortController().signal,
    onRetry: () => {},
    ...overrides,
  };
}

describe('the loop', () => {
  test('returns what an attempt returns, and tells of every further one', async () => {
    const told: [string, number, number][] = [];
    const clock = new InstantClock();
    let runs = 0;
    const result = await retrying(
      async () => {
        runs += 1;
        if (runs < 3) throw failure(runs * 1000);
        return 'there';
      },
      context({ clock, onRetry: (error, attempt, delay) => told.push([error.message, attempt, delay]) }),
    );
    expect(result).toBe('there');
    expect(told.map(([message, attempt]) => [message, attempt])).toEqual([
      ['it broke', 2],
      ['it broke', 3],
    ]);
    expect(clock.sleeps).toEqual(told.map(([, , delay]) => delay));
  });

  test('goes on with the count of one before it', async () => {
    let runs = 0;
    const given = retrying(
      async () => {
        runs += 1;
        throw failure();
      },
      context({ failures: 2 }),
    );
    await expect(given).rejects.toThrow('gave up after 4 tries');
    expect(runs).toBe(2);
  });

  test('gives up with the code, hint and status of the last failure, and says how often it tried', async () => {
    let runs = 0;
    const given = await retrying(async () => {
      runs += 1;
      throw failure();
    }, context()).catch((error: unknown) => error);
    expect(runs).toBe(4);
    expect(given).toBeInstanceOf(FetchError);
    expect(given).toMatchObject({
      code: 'NETWORK',
      message: 'it broke; gave up after 4 tries in a row without progress',
      hint: 'wait',
      status: 503,
      retryable: false,
    });
  });

  test('says so when the server asked for too long', async () => {
    const run = retrying(() => Promise.reject(failure(3_600_000)), context());
    await expect(run).rejects.toThrow('it broke; the server asked to wait 3600 s, which is too long');
  });

  test('counts from one again after progress', async () => {
    let runs = 0;
    const run = retrying(async (attempt) => {
      runs += 1;
      if (runs <= 10) attempt.progressed();
      throw failure();
    }, context());
    await expect(run).rejects.toThrow('gave up after 4 tries');
    // The tenth brought something and counts as the first failure of a row of four.
    expect(runs).toBe(13);
  });

  test('does not repeat what is final, and leaves it as it is', async () => {
    const final = new FetchError('NOT_FOUND', 'no such thing');
    let runs = 0;
    const run = retrying(() => {
      runs += 1;
      return Promise.reject(final);
    }, context());
    await expect(run).rejects.toBe(final);
    expect(runs).toBe(1);
  });

  test('takes anything else for a bug', async () => {
    const run = retrying(() => Promise.reject(new TypeError('undefined is no function')), context());
    await expect(run).rejects.toMatchObject({ code: 'BUG', side: 'self' });
  });

  test('does not begin after an abort', async () => {
    const reason = new Error('stop');
    let runs = 0;
    const run = retrying(
      async () => {
        runs += 1;
      },
      context({ signal: AbortSignal.abort(reason) }),
    );
    await expect(run).rejects.toBe(reason);
    expect(runs).toBe(0);
  });

  test('ends with the reason of an abort while it waits', async () => {
    const clock = new ManualClock();
    const controller = new AbortController();
    const run = retrying(() => Promise.reject(failure()), context({ clock, signal: controller.signal }));
    await clock.advance(1);
    controller.abort(new Error('stop'));
    await expect(run).rejects.toThrow('stop');
    expect(clock.timers).toBe(0);
  });

  test('ends with the reason of an abort, whatever the attempt makes of it', async () => {
    const controller = new AbortController();
    const run = retrying(
      async () => {
        controller.abort(new Error('stop'));
        throw failure();
      },
      context({ signal: controller.signal }),
    );
    await expect(run).rejects.toThrow('stop');
  });

  test('ends for every row of failures, in as many tries as were allowed', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('fail', 'progress', 'final'), { maxLength: 40 }),
        fc.integer({ min: 1, max: 6 }),
        async (script, tries) => {
          let runs = 0;
          let inARow = 0;
          let most = 0;
          const clock = new InstantClock();
          const outcome = await retrying(
            async (attempt) => {
              const step = script[runs];
              runs += 1;
              if (step === undefined) return 'done';
              if (step === 'progress') attempt.progressed();
              inARow = step === 'progress' ? 1 : inARow + 1;
              most = Math.max(most, inARow);
              throw step === 'final' ? new FetchError('ACCESS', 'no') : failure();
            },
            context({ clock, policy: { ...POLICY, tries } }),
          ).catch(() => 'failed');
          expect(most).toBeLessThanOrEqual(tries);
          if (outcome === 'done') expect(runs).toBe(script.length + 1);
          expect(clock.sleeps).toHaveLength(runs - 1);
        },
      ),
    );
  });
});

describe('a server that limits requests without saying for how long', () => {
  const limit = (retryAfterMs?: number) =>
    new FetchError('NETWORK', 'too many requests', { retryable: true, status: 429, retryAfterMs });

  async function waitsOf(policy: RetryPolicy, error: FetchError): Promise<readonly number[]> {
    const clock = new InstantClock();
    const waits: number[] = [];
    const { signal } = new AbortController();
    const onRetry = (_error: FetchError, _attempt: number, delayMs: number) => waits.push(delayMs);
    const operation = () => Promise.reject(error);
    await retrying(operation, { policy, clock, random: randomNumbers(1), signal, onRetry }).catch(() => {});
    return waits;
  }

  test('is outlasted once: longer than its window of five minutes, then all tries again', async () => {
    const waits = await waitsOf(DEFAULT_RETRY_POLICY, limit());
    expect(waits.filter((wait) => wait > 300_000)).toHaveLength(1);
    expect(waits).toHaveLength(2 * (DEFAULT_RETRY_POLICY.tries - 1) + 1);
  });

  test('is not, where it says how long, where one try was asked for, and for another refusal', async () => {
    for (const [policy, error] of [
      [DEFAULT_RETRY_POLICY, limit(2000)],
      [{ ...DEFAULT_RETRY_POLICY, tries: 1 }, limit()],
      [DEFAULT_RETRY_POLICY, failure()],
    ] as const) {
      expect((await waitsOf(policy, error)).filter((wait) => wait > 300_000)).toEqual([]);
    }
  });
});
