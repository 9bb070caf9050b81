import type { ByteRange } from '../model/byte-range.ts';

/** The value of a Range header for a half-open range; in HTTP the last byte is inclusive (RFC 9110 14.1.2). */
export function formatRange(range: ByteRange): string {
  return `bytes=${range.start}-${range.end - 1}`;
}

/** A parsed Content-Range header; `total` is undefined if the server wrote `*`. */
export interface ContentRange {
  readonly range: ByteRange;
  readonly total: number | undefined;
}

/** Undefined for anything that is not exactly one satisfied byte range with safe numbers. */
export function parseContentRange(header: string | undefined): ContentRange | undefined {
  const match = /^bytes +(\d{1,16})-(\d{1,16})\/(\d{1,16}|\*)$/i.exec(header?.trim() ?? '');
  if (match === null) return undefined;
  const start = Number(match[1]);
  const end = Number(match[2]) + 1;
  const total = match[3] === '*' ? undefined : Number(match[3]);
  if (!Number.isSafeInteger(end) || start >= end) return undefined;
  if (total !== undefined && (!Number.isSafeInteger(total) || end > total)) return undefined;
  return { range: { start, end }, total };
}

/** The bytes that an answer to a range request brings. */
export type RangeAnswer =
  | { readonly kind: 'range'; readonly range: ByteRange }
  /** The whole file from its first byte. */
  | { readonly kind: 'whole' }
  /** A partial answer without a range, whose length does not tell it either. */
  | { readonly kind: 'unnamed' }
  /** Other bytes than were asked for; `said` is the Content-Range. */
  | { readonly kind: 'other'; readonly said: string };

/**
 * Judges a 200 or 206 by its headers rather than its status: ModelScope sends ranges with 200 and an exact
 * Content-Range, Artifactory sends 206 without one. The range may end earlier or later than asked.
 * `size` is the size of the whole file in bytes.
 */
export function rangeAnswer(
  status: number,
  headers: { readonly [name: string]: string | string[] | undefined },
  asked: ByteRange,
  size: number,
): RangeAnswer {
  const said = text(headers['content-range']);
  const length = text(headers['content-length']);
  const plain = (text(headers['content-encoding']) ?? 'identity').toLowerCase() === 'identity';
  const found = parseContentRange(said);
  if (found !== undefined && found.range.start === asked.start && found.range.end <= size) {
    const { range, total } = found;
    const exact = total === size && plain && length === String(range.end - range.start);
    if (status === 206 ? total === undefined || total === size : exact) return { kind: 'range', range };
  }
  if (status === 200) {
    const whole = said === undefined || (plain && length === String(size));
    return whole ? { kind: 'whole' } : { kind: 'other', said: said.slice(0, 80) };
  }
  if (said !== undefined) return { kind: 'other', said: said.slice(0, 80) };
  const multipart = /^multipart\//i.test(text(headers['content-type']) ?? '');
  const exact = plain && !multipart && length === String(asked.end - asked.start);
  return exact ? { kind: 'range', range: asked } : { kind: 'unnamed' };
}

function text(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(', ') : header;
}
