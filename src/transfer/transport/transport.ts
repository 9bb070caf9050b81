import type { ByteRange } from '../../model/byte-range.ts';
import type { Location } from '../../source/source.ts';

/**
 * The bytes that are wanted of one file, from `position` on. The transport moves `position` with its
 * writes; the engine may lower `end` at any time, when another connection has taken over the tail.
 */
export interface RangeWindow {
  position: number;
  end: number;
}

export interface RangeJob {
  readonly location: Location;
  /** For messages. */
  readonly path: string;
  /** Bytes of the whole file: an answer that names another total is of another content. */
  readonly fileSize: number;
  readonly window: RangeWindow;
  /** Where the bytes go, at their own offsets. */
  readonly descriptor: number;
}

export interface RangeObserver {
  /** These bytes are written. */
  wrote(range: ByteRange): void;
  /**
   * The server ignores ranges and sends the whole file from its first byte. Called before any of it is
   * written; the window may be widened until it returns.
   */
  wholeFile(): void | Promise<void>;
  /** The bytes came from here, after redirects: further ranges of the file can go there directly. */
  movedTo(url: string): void;
}

/** The bytes to ask for: what the window wants, or the one range that the address is good for. */
export function askedRange({ location, window }: RangeJob): ByteRange {
  return location.range ?? { start: window.position, end: window.end };
}

/**
 * Brings the bytes of a window into a file: one attempt, one connection. Resolves when the window is
 * filled, or when the server sent less than asked but sent it properly: then the window is not empty.
 * Rejects with a FetchError, with `status` where the server answered, or with the signal's reason.
 * Implementations keep to one contract suite.
 */
export interface Transport {
  bring(job: RangeJob, observer: RangeObserver, signal: AbortSignal): Promise<void>;
  /** Says that the end of a window under way was lowered, for transports that cannot see it. */
  narrowed?(window: RangeWindow): void;
  /** New connections go to other addresses of their hosts than those in use; idle ones are closed. */
  elsewhere?(): void;
}
