import type { ByteRange } from '../model/byte-range.ts';
import { BLOCK_BYTES } from '../model/flat-ranges.ts';
import { IntervalSet } from '../model/interval-set.ts';
import type { Clock } from '../system/clock.ts';
import type { SharedNow } from './transfer-context.ts';

/** Changes of this time are told together, in milliseconds. */
const TOGETHER_MS = 100;

/** Tells other runs what this one does just now, soon after each change. */
export class SharedReport {
  readonly #clock: Clock;
  readonly #now: () => SharedNow;
  readonly #tell: (now: SharedNow) => void;
  #cancel: (() => void) | undefined;
  #hasBegun = false;

  constructor(clock: Clock, now: () => SharedNow, tell: (now: SharedNow) => void) {
    this.#clock = clock;
    this.#now = now;
    this.#tell = tell;
  }

  /** Something has changed: the first time it is told at once, when the work of this moment is known. */
  changed(): void {
    this.#cancel ??= this.#clock.after(this.#hasBegun ? TOGETHER_MS : 0, () => {
      this.#cancel = undefined;
      this.#tell(this.#now());
    });
    this.#hasBegun = true;
  }

  end(): void {
    this.#cancel?.();
    this.#cancel = () => {};
  }
}

/** What is left of segments, by the path of their file: from the block on that is not written to its end. */
export function rangesByPath(
  segments: Iterable<{ readonly file: number; readonly position: number; readonly end: number }>,
  pathOf: (file: number) => string,
): ReadonlyMap<string, readonly ByteRange[]> {
  const found = new Map<string, IntervalSet>();
  for (const { file, position, end } of segments) {
    if (position >= end) continue;
    const path = pathOf(file);
    const known = found.get(path) ?? new IntervalSet();
    // Two segments may share the block at their edge.
    known.add({ start: Math.floor(position / BLOCK_BYTES) * BLOCK_BYTES, end });
    found.set(path, known);
  }
  return new Map([...found].map(([path, { ranges }]) => [path, ranges]));
}
