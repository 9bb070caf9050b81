import { type ByteRange, rangeLength } from '../model/byte-range.ts';
import type { Emit } from '../model/event.ts';
import type { Attempt } from '../system/retry.ts';
import type { FileTransfer } from './file-transfer.ts';
import type { Segment } from './scheduling/segment.ts';

/** What a segment's fetching means for the schedule, told while it happens. */
export interface SegmentObserver {
  /** A request for the segment is sent. */
  asked(): void;
  /** `written` bytes of the segment are on disk, and `wireBytes` of the network were spent on them. */
  wrote(written: number, wireBytes: number): void;
  /** The server ignores ranges and sends the file from its first byte: the segment may be widened now. */
  wholeFile(): void;
  /** The server refused for being busy, or the connection broke: fewer connections may do better. */
  trouble(kind: 'refused' | 'broke'): void;
}

/** One request for what is missing of a segment. */
export interface SegmentRequest {
  readonly segment: Segment;
  readonly transfer: FileTransfer;
  readonly observer: SegmentObserver;
  readonly attempt: Attempt;
  readonly signal: AbortSignal;
}

/** Counts bytes of a segment that are on disk now, where `wireBytes` came over the network for them. */
export function countWritten(
  { segment, transfer, observer }: Pick<SegmentRequest, 'segment' | 'transfer' | 'observer'>,
  range: ByteRange,
  wireBytes: number | undefined,
  emit: Emit,
): void {
  const length = rangeLength(range);
  segment.tried = 0;
  const added = transfer.wrote(range);
  observer.wrote(length, wireBytes ?? length);
  if (added > 0) emit({ type: 'bytes', path: transfer.file.path, count: added });
}
