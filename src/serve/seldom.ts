import type { Clock } from '../system/clock.ts';

/** Time between two of the same sentences, in milliseconds. */
const APART_MS = 10_000;
/** Sentences that are remembered: strangers can make us say any number of them. */
const MAX_SENTENCES = 1000;

/** Tells the same only now and then: one cause makes any number of requests fail. */
export function seldom(
  tell: (message: string) => void,
  clock: Pick<Clock, 'monotonic'>,
): (message: string) => void {
  const told = new Map<string, number>();
  return (message) => {
    const now = clock.monotonic();
    const before = told.get(message);
    if (before !== undefined && now - before < APART_MS) return;
    if (told.size >= MAX_SENTENCES) told.clear();
    told.set(message, now);
    tell(message);
  };
}
