import type { ByteRange } from '../../model/byte-range.ts';
import type { HttpLocation, Location } from '../../source/location.ts';

/**
 * The requested bytes of one file, from `position` on. The transport advances `position` as it writes; the engine may
 * lower `end` at any time, when another connection has taken the tail.
 */
export interface RangeWindow {
  position: number;
  end: number;
}

export interface RangeJob<L extends Location = Location> {
  readonly location: L;
  /** For messages. */
  readonly path: string;
  /** Size of the whole file in bytes: a response with another total is for other content. */
  readonly fileSize: number;
  readonly window: RangeWindow;
  /** Open file to write to, each byte at its own offset. */
  readonly descriptor: number;
  /**
   * Path of the file behind `descriptor`, for a transport that can let the file system clone another file into it.
   */
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
  /**
   * These bytes are written and cost `wireBytes` of network traffic: their number if left out, 0 for a local copy.
   */
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
 * Brings the bytes of a window into a file: one attempt, one connection. Resolves when the window is filled, or when
 * the server properly sent less than requested: then the window is not empty. Rejects with a FetchError, with
 * `status` if the server answered, or with the signal's reason. The contract suite applies to every implementation.
 */
export interface Transport<L extends Location = Location> {
  bring(job: RangeJob<L>, observer: RangeObserver, signal: AbortSignal): Promise<void>;
  /** The end of an active window was lowered; for transports that cannot see it. */
  narrowed?(window: RangeWindow): void;
  /** Its threads have no time left for more chunks: whatever came sooner would only wait for them. */
  isSaturated?(): boolean;
  /** The threads that receive have no time: what is requested twice comes no sooner, and costs them more. */
  isBusy?(): boolean;
  /** New connections go to other addresses of their hosts than those in use; idle ones are closed. */
  elsewhere?(): void;
}

/** One transport for each kind of location. */
export type Transports = {
  readonly [Kind in Location['kind']]: Transport<Extract<Location, { readonly kind: Kind }>>;
};
