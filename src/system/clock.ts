import { onAbort } from './on-abort.ts';

/** Time as an argument. Milliseconds throughout. */
export interface Clock {
  /** Milliseconds since 1970, as the system believes. Can jump: only for dates that others name. */
  now(): number;
  /** Milliseconds from an arbitrary start that never run backwards: for durations. */
  monotonic(): number;
  /** Calls back once after `delayMs`; the returned function cancels. Does not keep the process alive. */
  after(delayMs: number, callback: () => void): () => void;
  /** Rejects with the signal's reason as soon as it aborts. */
  sleep(delayMs: number, signal: AbortSignal): Promise<void>;
}

/** A number in [0, 1). */
export type Random = () => number;

/** A timer of Node that is set for longer fires at once instead (a day is 86 million). */
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
      // Not unreferenced: somebody waits for this one.
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

/** Calls back after any time, however long; the returned function cancels. */
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
