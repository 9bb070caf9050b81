import { onAbort } from './on-abort.ts';

/** The current time and timers, as an argument so that tests can replace them. All values are milliseconds. */
export interface Clock {
  /** Unix time. The system may set it, so it can jump: compare it only with dates from outside. */
  now(): number;
  /** Time since an arbitrary start, never decreasing: for durations. */
  monotonic(): number;
  /** Calls back once after `delayMs`; the returned function cancels. Does not keep the process alive. */
  after(delayMs: number, callback: () => void): () => void;
  /** Rejects with the signal's reason as soon as it aborts. */
  sleep(delayMs: number, signal: AbortSignal): Promise<void>;
}

/** A number in [0, 1). */
export type Random = () => number;

/** The longest timer of Node (25 days); a longer one fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (delayMs, callback) => startTimer(delayMs, callback, (timer) => timer.unref()),
  sleep(delayMs, signal) {
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason);
        return;
      }
      // Keep the process alive: the caller awaits this timer.
      const cancel = startTimer(delayMs, () => {
        stopListening();
        resolve();
      });
      const stopListening = onAbort(signal, () => {
        cancel();
        reject(signal.reason);
      });
    });
  },
};

export const systemRandom: Random = Math.random;

/** A timer of any length; the returned function cancels it. */
function startTimer(
  delayMs: number,
  callback: () => void,
  onTimer: (timer: NodeJS.Timeout) => void = () => {},
): () => void {
  let timer: NodeJS.Timeout;
  const arm = (leftMs: number): void => {
    const step = Math.min(leftMs, MAX_TIMER_MS);
    timer = setTimeout(() => (leftMs > step ? arm(leftMs - step) : callback()), step);
    onTimer(timer);
  };
  arm(delayMs);
  return () => clearTimeout(timer);
}
