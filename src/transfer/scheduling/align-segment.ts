import type { ByteRange } from '../../model/byte-range.ts';
import type { Segment } from './segment.ts';
import type { SegmentQueue } from './segment-queue.ts';

/** The other segments, at work and waiting. */
interface Neighbours<S extends Segment> {
  readonly active: Iterable<S>;
  readonly waiting: SegmentQueue<S>;
}

/**
 * Moves the ends of a segment outwards to those of the chunks that it needs, `chunks`, where a neighbour gives the bytes
 * away: one that waits, or that has requested nothing yet. Without it the chunk at each edge would be fetched twice.
 */
export function alignSegment<S extends Segment>(
  segment: S,
  chunks: ByteRange,
  { active, waiting }: Neighbours<S>,
): void {
  const { file, position, end } = segment;
  const asking = [...active].filter(
    (other) => other !== segment && other.file === file && other.asking === true,
  );
  if (chunks.start < position) {
    const before = asking.find((other) => other.end === position && other.position < chunks.start);
    if (before !== undefined) {
      before.end = chunks.start;
      segment.position = chunks.start;
    }
  }
  if (chunks.end > end) {
    const behind = asking.find((other) => other.position === end && other.end > chunks.end);
    if (behind !== undefined) behind.position = chunks.end;
    else if (!waiting.moveStart(file, end, chunks.end)) return;
    segment.end = chunks.end;
  }
}
