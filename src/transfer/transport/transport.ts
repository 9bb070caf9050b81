import type { ByteRange } from '../../model/byte-range.ts';
import type { HttpLocation, Location } from '../../source/location.ts';

/**
 * The bytes that are wanted of one file, from `position` on. The transport moves `position` with its
 * writes; the engine may lower `end` at any time, when another connection has taken over the tail.
 */
export interface RangeWindow {
  position: number;
  end: number;
}

export interface RangeJob<L extends Location = Location> {
  readonly location: L;
  /** For messages. */
  readonly path: string;
  /** Bytes of the whole file: an answer that names another total is of another content. */
  readonly fileSize: number;
  readonly window: RangeWindow;
  /** Where the bytes go, at their own offsets. */
  readonly descriptor: number;
  /** Of the file that `descriptor` is open on, for a transport that can let the file system clone another into it. */
  readonly partPath?: string;
}

export type HttpJob = RangeJob<HttpLocation>;

/** A chunk of a Xet file that was written at its place. It may reach beyond the window on both sides. */
export interface ArrivedChunk {
  /** Of its first byte in the file. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
  /** The xorb that it came from, and its number in it. */
  readonly xorb: string;
  readonly index: number;
  /** Of the bytes that came: 32 bytes. */
  readonly hash: Uint8Array;
}

export interface RangeObserver {
  /** These bytes are written. `wireBytes` of the network were spent on them: as many if left out, none for a local copy. */
  wrote(range: ByteRange, wireBytes?: number): void;
  /**
   * The server ignores ranges and sends the whole file from its first byte. Called before any of it is
   * written; the window may be widened until it returns.
   */
  wholeFile(): void | Promise<void>;
  /** A chunk was written, or the part of it that is in the window. Called before `wrote` has all of it. */
  chunk?(chunk: ArrivedChunk): void;
  /** The bytes came from here, after redirects: further ranges of the file can go there directly. */
  movedTo(url: string): void;
}

/** The range to request: the window, or the one range that the address is signed for. */
export function askedRange({ location, window }: HttpJob): ByteRange {
  return location.range ?? { start: window.position, end: window.end };
}

/**
 * Brings the bytes of a window into a file: one attempt, one connection. Resolves when the window is
 * filled, or when the server sent less than asked but sent it properly: then the window is not empty.
 * Rejects with a FetchError, with `status` where the server answered, or with the signal's reason.
 * Implementations keep to one contract suite.
 */
export interface Transport<L extends Location = Location> {
  bring(job: RangeJob<L>, observer: RangeObserver, signal: AbortSignal): Promise<void>;
  /** Says that the end of a window under way was lowered, for transports that cannot see it. */
  narrowed?(window: RangeWindow): void;
  /** New connections go to other addresses of their hosts than those in use; idle ones are closed. */
  elsewhere?(): void;
}

/** One transport for each kind of location. */
export type Transports = {
  readonly [Kind in Location['kind']]: Transport<Extract<Location, { readonly kind: Kind }>>;
};
