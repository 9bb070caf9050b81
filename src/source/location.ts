import type { ByteRange, RangeSupport } from '../model/byte-range.ts';
import type { XetTerm } from '../model/chunks.ts';
import { FetchError } from '../model/error.ts';
import { firstIndex } from '../model/first-index.ts';

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
  /** Redirects to another origin are an error: the server is not trusted to name other hosts. */
  readonly ownOriginOnly?: boolean;
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

/** Chunks of a xorb that one request brings. */
export interface XorbFetch {
  readonly xorb: string;
  /** Number of the first chunk. */
  readonly start: number;
  /** The number behind the last. */
  readonly end: number;
  /** Where they are in the xorb. The address is signed for exactly this range. */
  readonly bytes: ByteRange;
  /** Absolute; path and query exactly as the server wrote them. A secret like a token. */
  readonly url: string;
}

/** Chunks of a fetch that stand elsewhere in the part already, where the file repeats itself: they need no request. */
export interface HeldFetch extends Pick<XorbFetch, 'xorb' | 'start'> {
  /** Of each chunk, from the first on: its offset in the file, and its bytes. */
  readonly offsets: readonly number[];
  readonly lengths: readonly number[];
}

/** A range of a file as chunks in Xet's content store. */
export interface XetLocation {
  readonly kind: 'xet';
  /** Of the file. */
  readonly range: ByteRange;
  /** Bytes of the first term before the range. */
  readonly skip: number;
  /** In the order of the file. Each is inside one of the fetches. */
  readonly terms: readonly XetTerm[];
  readonly fetches: readonly XorbFetch[];
  /** None if left out. */
  readonly held?: readonly HeldFetch[];
}

/** Fetches by their xorb, those of each ascending by their first chunk. */
export class XorbFetches {
  readonly #lists = new Map<string, XorbFetch[]>();

  constructor(fetches: Iterable<XorbFetch>) {
    for (const fetch of fetches) {
      const list = this.#lists.get(fetch.xorb);
      if (list === undefined) this.#lists.set(fetch.xorb, [fetch]);
      else list.push(fetch);
    }
    for (const list of this.#lists.values()) list.sort((left, right) => left.start - right.start);
  }

  /** The fetches of each xorb. */
  get lists(): Iterable<readonly XorbFetch[]> {
    return this.#lists.values();
  }

  /** The first fetch that has all chunks of a term, if no two of a xorb overlap; undefined if there is none. */
  of({ xorb, start, end }: XetTerm): XorbFetch | undefined {
    const fetches = this.#lists.get(xorb) ?? [];
    const found = fetches[firstIndex(fetches, (fetch) => fetch.end > start)];
    return found !== undefined && found.start <= start && end <= found.end ? found : undefined;
  }
}

/** Where the bytes of a file are. Plain data: it crosses threads. A new kind needs a transport in `createTransport`. */
export type Location = HttpLocation | FileLocation | MemoryLocation | XetLocation;

/** For callers that use HTTP themselves. Throws BUG for any other kind of location. */
export function requireHttp(location: Location): HttpLocation {
  if (location.kind === 'http') return location;
  throw new FetchError('BUG', `an HTTP address was expected instead of a location of kind ${location.kind}`);
}
