/** The middle value; of an even number of values, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((left, right) => left - right);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function spread(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/** A value and the round that it belongs to. */
export interface InRound {
  readonly round: number;
  readonly value: number;
}

/**
 * How many times faster `ours` is than `theirs`: the quotient theirs / ours is taken within each round, where
 * both met the same weather, and the median is taken of the quotients. NaN if they share no round.
 */
export function timesFaster(ours: readonly InRound[], theirs: readonly InRound[]): number {
  return median(quotients(ours, theirs));
}

export function quotients(ours: readonly InRound[], theirs: readonly InRound[]): number[] {
  const byRound = new Map(theirs.map(({ round, value }) => [round, value]));
  return ours.flatMap(({ round, value }) => {
    const other = byRound.get(round);
    return other === undefined ? [] : [other / value];
  });
}

/** Who runs when: round 0 is the warm-up, every second round goes backwards so that no place is a lucky one. */
export function schedule<T>(entries: readonly T[], rounds: number): { round: number; entries: T[] }[] {
  return Array.from({ length: rounds + 1 }, (_, round) => ({
    round,
    entries: round % 2 === 0 ? [...entries] : [...entries].reverse(),
  }));
}

/**
 * How long after its first byte a link began to carry at least `rate` (bytes per second) over a second; infinite
 * if it never did. The history has the bytes that had passed after each `tickMs`.
 */
export function recoveredAfter(history: readonly number[], tickMs: number, rate: number): number {
  const began = history.findIndex((bytes) => bytes > 0);
  const ticks = Math.round(1000 / tickMs);
  const wanted = (rate * ticks * tickMs) / 1000;
  const at = history.findIndex(
    (bytes, index) => index >= began && (history[index + ticks] ?? 0) - bytes >= wanted,
  );
  return began < 0 || at < 0 ? Number.POSITIVE_INFINITY : (at - began) * tickMs;
}
