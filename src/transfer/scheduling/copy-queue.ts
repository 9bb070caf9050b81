import type { ByteRange } from '../../model/byte-range.ts';
import { type Piece, piecesFrom } from '../../model/plan.ts';
import type { FileLocation } from '../../source/location.ts';
import type { Segment } from './segment.ts';
import { SegmentQueue } from './segment-queue.ts';

/** A piece that is copied from another local file. It is never split: the file system may clone a whole file. */
export interface CopySegment extends Segment {
  readonly location: FileLocation;
}

/** Pieces to copy from local files, first in, first out. They use no connection and have no rate. */
export class CopyQueue {
  readonly #waiting = new SegmentQueue<CopySegment>();
  readonly #active = new Set<CopySegment>();

  /** Pieces that nothing works on yet. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Nothing is waiting and nothing is being copied. */
  get empty(): boolean {
    return this.#waiting.length === 0 && this.#active.size === 0;
  }

  /** Queues the pieces that come from local files. */
  add(file: number, pieces: readonly Piece[]): void {
    for (const { start, end, from } of piecesFrom({ pieces }, 'file')) {
      const location: FileLocation = { kind: 'file', path: from.path, offset: from.offset - start };
      this.#waiting.append({ file, position: start, end, location });
    }
  }

  take(): CopySegment | undefined {
    const segment = this.#waiting.take();
    if (segment !== undefined) this.#active.add(segment);
    return segment;
  }

  /** Work on the segment has ended. The rest of it returns to the head of the queue. */
  release(segment: Segment): void {
    const copy = segment as CopySegment;
    if (this.#active.delete(copy) && copy.position < copy.end) this.#waiting.giveBack({ ...copy });
  }

  /** Removes a file. Returns its active segments, which count as released, and the ranges that were not copied. */
  drop(file: number): { readonly stopped: readonly Segment[]; readonly left: readonly ByteRange[] } {
    const stopped = [...this.#active].filter((segment) => segment.file === file);
    for (const segment of stopped) this.#active.delete(segment);
    const segments = [...stopped, ...this.#waiting.remove(file)];
    const left = segments.map(({ position, end }) => ({ start: position, end }));
    return { stopped, left: left.filter(({ start, end }) => start < end) };
  }
}
