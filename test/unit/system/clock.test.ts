import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { systemClock, systemRandom } from '../../../src/system/clock.ts';

const DAY_MS = 86_400_000;

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

describe('after', () => {
  test('calls back once, when its time has come', () => {
    const called = vi.fn();
    systemClock.after(50, called);
    vi.advanceTimersByTime(49);
    expect(called).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1000);
    expect(called).toHaveBeenCalledTimes(1);
  });

  test('does not call back once it is cancelled', () => {
    const called = vi.fn();
    systemClock.after(50, called)();
    vi.advanceTimersByTime(1000);
    expect(called).not.toHaveBeenCalled();
  });

  test.each([[30 * DAY_MS], [Number.POSITIVE_INFINITY]])(
    'waits for %d ms, longer than a timer of Node can',
    (delay) => {
      const called = vi.fn();
      const cancel = systemClock.after(delay, called);
      vi.advanceTimersByTime(29 * DAY_MS);
      expect(called).not.toHaveBeenCalled();
      vi.advanceTimersByTime(DAY_MS);
      expect(called).toHaveBeenCalledTimes(Number.isFinite(delay) ? 1 : 0);
      cancel();
      expect(vi.getTimerCount()).toBe(0);
    },
  );
});

describe('sleep', () => {
  test('ends in time and leaves no listener behind', async () => {
    const { signal } = new AbortController();
    const slept = systemClock.sleep(50, signal);
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(50);
    await slept;
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  test('ends with the reason of an abort, at once, and leaves no timer behind', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const slept = systemClock.sleep(30 * DAY_MS, controller.signal);
    controller.abort(reason);
    await expect(slept).rejects.toBe(reason);
    expect(vi.getTimerCount()).toBe(0);
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
  });

  test('does not begin after an abort', async () => {
    const reason = new Error('before');
    await expect(systemClock.sleep(50, AbortSignal.abort(reason))).rejects.toBe(reason);
    expect(vi.getTimerCount()).toBe(0);
  });
});

test('time and chance are those of the system', () => {
  vi.setSystemTime(123_456);
  expect(systemClock.now()).toBe(123_456);
  const before = systemClock.monotonic();
  vi.advanceTimersByTime(10);
  expect(systemClock.monotonic()).toBeGreaterThanOrEqual(before);
  const number = systemRandom();
  expect(number >= 0 && number < 1).toBe(true);
});
