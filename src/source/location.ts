import type { ByteRange, RangeSupport } from '../model/byte-range.ts';
import { FetchError } from '../model/error.ts';

/** An address that serves bytes of a file. A signed URL is a secret like a token: never print or store it. */
export interface HttpLocation {
  readonly kind: 'http';
  /** Absolute; path and query exactly as the server wrote them, because signatures cover them. */
  readonly url: string;
  /** Sent only while the request stays on `origin`; every redirect elsewhere drops it. */
  readonly authorization: { readonly origin: string; readonly value: string } | undefined;
  /** Unix time in milliseconds after which the URL has expired; undefined if it is not known. */
  readonly expiresAt: number | undefined;
  /** What the address serves: any range, exactly `range`, or only the whole file. */
  readonly ranges: RangeSupport;
  /** With `exact`: the range that the address serves. */
  readonly range?: ByteRange;
}

/** A file on this machine with the same bytes. */
export interface FileLocation {
  readonly kind: 'file';
  /** Absolute. */
  readonly path: string;
  /** Offset of the first byte of the remote file in the local one. */
  readonly offset: number;
}

/** Bytes that the source already holds: those of a manifest, which it reads to list the revision. */
export interface MemoryLocation {
  readonly kind: 'memory';
  /** The whole file. */
  readonly bytes: Uint8Array;
}

/** Where the bytes of a file are. Plain data: it crosses threads. A new kind needs a transport in `createTransport`. */
export type Location = HttpLocation | FileLocation | MemoryLocation;

/** For callers that use HTTP themselves. Throws BUG for any other kind of location. */
export function requireHttp(location: Location): HttpLocation {
  if (location.kind === 'http') return location;
  throw new FetchError('BUG', `an HTTP address was expected instead of a location of kind ${location.kind}`);
}
