import { MIN_OF_SOURCE } from './relay.ts';
import type { Choice, Question } from './relay-question.ts';
import { partOf, type Segment, type TrackedSegment } from './segment.ts';
import type { SegmentQueue } from './segment-queue.ts';

/** Where there was nothing to take, it is looked for again after this time, or when something has changed. */
const NOTHING_MS = 100;

/** What decides which work is taken while other runs share it. */
export interface Sharing {
  readonly active: boolean;
  take<Waiting extends TrackedSegment>(question: Question<Waiting>): Choice<Waiting> | undefined;
}

/** The work that waits, and what is being done. */
interface Work {
  readonly small: SegmentQueue<TrackedSegment>;
  readonly large: SegmentQueue<TrackedSegment>;
  readonly active: Iterable<TrackedSegment>;
  /** Connections that there may be, and bytes of a request that is worth its cost. */
  readonly connections: number;
  readonly bytes: number;
  readonly isLargeAllowed: boolean;
}

/** Takes work from the queues in the way that runs which share it agree on. */
export class SharedWork {
  readonly #sharing: Sharing;
  #nothingUntil = 0;

  constructor(sharing: Sharing) {
    this.#sharing = sharing;
  }

  get active(): boolean {
    return this.#sharing.active;
  }

  /** What others have, or what waits here, has changed. */
  lookAgain(): void {
    this.#nothingUntil = 0;
  }

  /** The next segment for an idle connection. `wait` if there is none; `steal` if that of another connection may be shared. */
  take({ small, large, active, ...limits }: Work, now: number): TrackedSegment | 'wait' | 'steal' {
    if (now < this.#nothingUntil) return 'wait';
    const { connections, bytes, isLargeAllowed } = limits;
    const sourceActive = ofSource(active).length;
    const waiting = isLargeAllowed ? [...small, ...large] : small;
    const choice = this.#sharing.take({ waiting, now, bytes, sourceActive, connections });
    if (choice === undefined) {
      this.#nothingUntil = now + NOTHING_MS;
      return isLargeAllowed && sourceActive < MIN_OF_SOURCE ? 'steal' : 'wait';
    }
    const { of, from, insists } = choice;
    // If the server ignores ranges, a part costs as much as the whole.
    const isWhole = of.whole || !of.splittable;
    const { start, end } = isWhole ? { start: of.position, end: of.end } : choice;
    const segment = (of.small ? small : large).takeOut(of, start, end, partOf);
    segment.from = isWhole ? 'source' : from;
    segment.insists = insists;
    return segment;
  }
}

/** The segments that connections to the source work on. */
export function ofSource<S extends TrackedSegment>(active: Iterable<S>): readonly Segment[] {
  return [...active].filter(({ from, whole }) => typeof from !== 'number' && !whole);
}
