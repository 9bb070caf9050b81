import { type ByteRange, rangeLength } from '../../../model/byte-range.ts';
import {
  CHUNK_HEADER_BYTES,
  MAX_CHUNK_BYTES,
  MAX_PACKED_CHUNK_BYTES,
  type XetTerm,
} from '../../../model/chunks.ts';
import { isRecord } from '../../../model/json.ts';
import { type XetLocation, type XorbFetch, XorbFetches } from '../../location.ts';

/** Header and packed bytes of one chunk. */
const MAX_STORED_CHUNK_BYTES = CHUNK_HEADER_BYTES + MAX_PACKED_CHUNK_BYTES;
const MIN_STORED_CHUNK_BYTES = CHUNK_HEADER_BYTES + 1;
/** No honest file has so many terms for its size: chunks of less than 1 kB only stand at ends. */
const BYTES_PER_TERM = 1024;
const MIN_TERM_LIMIT = 1000;
/** Uploaders fill a xorb with 64 MiB of chunks as they are; packed, a chunk may be a little longer than it was. */
const MAX_XORB_BYTES = 2 * 64 * 1024 * 1024;
/** The format limits bytes alone; the 8192 chunks of today's uploaders are a setting of theirs. */
const MAX_XORB_CHUNKS = Math.floor(MAX_XORB_BYTES / MIN_STORED_CHUNK_BYTES);
const XORB = /^[0-9a-f]{64}$/;

/** What is wrong with an answer of the content store. */
export class MalformedReconstruction extends Error {}

/** Ranges of bytes that were asked for, and what is known of the file. */
export interface AskedReconstruction {
  readonly range: ByteRange;
  /** Of the whole file, bytes. */
  readonly fileSize: number;
  /** Which form the answer has. */
  readonly version: 1 | 2;
  /** Whether addresses may be plain http, as the store's own is. */
  readonly plainHttp: boolean;
}

/**
 * Reads the JSON of `/v2/reconstructions` or `/v1/reconstructions`. It is hostile input: every number is checked against
 * the limits of the format, and the terms against the range that was asked for. Throws MalformedReconstruction.
 */
export function parseReconstruction(json: unknown, asked: AskedReconstruction): XetLocation {
  if (!isRecord(json)) throw new MalformedReconstruction('no object');
  const { range } = asked;
  const skip = count(json['offset_into_first_range'] ?? 0, 'offset_into_first_range');
  const terms = parseTerms(json['terms'], asked);
  checkSum(terms, skip, asked);
  const listed = asked.version === 2 ? secondForm(json['xorbs']) : firstForm(json['fetch_info']);
  const wanted = new Set(terms.map(({ xorb }) => xorb));
  const fetches: XorbFetch[] = [];
  for (const fetch of listed) {
    if (!wanted.has(fetch.xorb)) continue;
    checkFetch(fetch, asked);
    fetches.push(fetch);
  }
  const byXorb = new XorbFetches(fetches);
  for (const list of byXorb.lists) refuseOverlap(list);
  const used = new Set<XorbFetch>();
  for (const term of terms) used.add(fetchOf(term, byXorb));
  return { kind: 'xet', range, skip, terms, fetches: [...used] };
}

function parseTerms(value: unknown, { range }: AskedReconstruction): XetTerm[] {
  if (!Array.isArray(value) || value.length === 0) throw new MalformedReconstruction('no terms');
  if (value.length > rangeLength(range) / BYTES_PER_TERM + MIN_TERM_LIMIT)
    throw new MalformedReconstruction(`${value.length} terms`);
  return value.map((entry: unknown) => {
    if (!isRecord(entry)) throw new MalformedReconstruction('a term that is no object');
    const { start, end } = chunkRange(entry['range']);
    const length = count(entry['unpacked_length'], 'unpacked_length');
    if (length < end - start || length > (end - start) * MAX_CHUNK_BYTES)
      throw new MalformedReconstruction(`${length} bytes in ${end - start} chunks`);
    return { xorb: xorbName(entry['hash']), start, end, length };
  });
}

/** The terms must be those of the range: the first and the last one needed, and nothing missing. */
function checkSum(terms: readonly XetTerm[], skip: number, { range, fileSize }: AskedReconstruction): void {
  const sum = terms.reduce((total, { length }) => total + length, 0);
  const wanted = rangeLength(range);
  const offered = sum - skip;
  const isExact = range.end < fileSize ? offered >= wanted : offered === wanted;
  const firstIsNeeded = skip < terms[0]!.length;
  const lastIsNeeded = offered - terms.at(-1)!.length < wanted;
  if (isExact && firstIsNeeded && lastIsNeeded) return;
  throw new MalformedReconstruction(`terms of ${sum} bytes from ${skip} on for ${wanted} bytes`);
}

/** `{HASH: [{url, url_range, range}]}` of version 1. */
function* firstForm(value: unknown): Generator<XorbFetch> {
  if (!isRecord(value)) throw new MalformedReconstruction('no fetch_info');
  for (const [hash, entries] of Object.entries(value)) {
    for (const entry of records(entries)) {
      const { url, url_range, range } = entry;
      yield { xorb: xorbName(hash), ...chunkRange(range), bytes: byteRange(url_range), url: address(url) };
    }
  }
}

/** `{HASH: [{url, ranges: [{chunks, bytes}]}]}` of version 2: one address for several ranges, each good by itself. */
function* secondForm(value: unknown): Generator<XorbFetch> {
  if (!isRecord(value)) throw new MalformedReconstruction('no xorbs');
  for (const [hash, entries] of Object.entries(value)) {
    for (const { url, ranges } of records(entries)) {
      for (const { chunks, bytes } of records(ranges))
        yield { xorb: xorbName(hash), ...chunkRange(chunks), bytes: byteRange(bytes), url: address(url) };
    }
  }
}

function* records(value: unknown): Generator<Record<string, unknown>> {
  if (!Array.isArray(value)) throw new MalformedReconstruction('no list of ranges');
  for (const entry of value as unknown[]) {
    if (!isRecord(entry)) throw new MalformedReconstruction('a range that is no object');
    yield entry;
  }
}

function checkFetch({ start, end, bytes, url }: XorbFetch, { plainHttp }: AskedReconstruction): void {
  const length = rangeLength(bytes);
  const chunks = end - start;
  if (length < chunks * MIN_STORED_CHUNK_BYTES || length > chunks * MAX_STORED_CHUNK_BYTES)
    throw new MalformedReconstruction(`${length} bytes for ${chunks} chunks`);
  if (!plainHttp && !url.startsWith('https:'))
    throw new MalformedReconstruction('an address over an open line');
}

/** Of the fetches of one xorb, ascending. The same one may be listed twice. */
function refuseOverlap(fetches: readonly XorbFetch[]): void {
  for (const [index, fetch] of fetches.entries()) {
    const before = fetches[index - 1];
    if (before !== undefined && fetch.start < before.end && !isSameFetch(before, fetch))
      throw new MalformedReconstruction('ranges of a xorb that overlap');
  }
}

/** Of the same chunks in the same bytes. Each address is signed by itself, so they may differ. */
function isSameFetch(left: XorbFetch, right: XorbFetch): boolean {
  return (
    left.start === right.start &&
    left.end === right.end &&
    left.bytes.start === right.bytes.start &&
    left.bytes.end === right.bytes.end
  );
}

function fetchOf(term: XetTerm, fetches: XorbFetches): XorbFetch {
  const found = fetches.of(term);
  if (found !== undefined) return found;
  const { xorb, start, end } = term;
  throw new MalformedReconstruction(`no address for chunks ${start}-${end} of xorb ${xorb.slice(0, 12)}`);
}

function chunkRange(value: unknown): { readonly start: number; readonly end: number } {
  if (!isRecord(value)) throw new MalformedReconstruction('no range of chunks');
  const start = count(value['start'], 'start');
  const end = count(value['end'], 'end');
  if (start < end && end <= MAX_XORB_CHUNKS) return { start, end };
  throw new MalformedReconstruction(`chunks ${start}-${end}`);
}

/** The server writes the last byte; the result is half-open. */
function byteRange(value: unknown): ByteRange {
  if (!isRecord(value)) throw new MalformedReconstruction('no range of bytes');
  const start = count(value['start'], 'start');
  const end = count(value['end'], 'end') + 1;
  if (start < end && end <= MAX_XORB_BYTES) return { start, end };
  throw new MalformedReconstruction(`bytes ${start}-${end}`);
}

function count(value: unknown, name: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new MalformedReconstruction(`no number for ${name}`);
}

function xorbName(value: unknown): string {
  if (typeof value === 'string' && XORB.test(value)) return value;
  throw new MalformedReconstruction('a name that is no hash');
}

function address(value: unknown): string {
  if (typeof value !== 'string' || !URL.canParse(value)) throw new MalformedReconstruction('no address');
  const { protocol, username, password } = new URL(value);
  if (/^https?:$/.test(protocol) && username === '' && password === '') return value;
  throw new MalformedReconstruction('an address that is not of the web');
}
