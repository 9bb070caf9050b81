import type { ByteRange } from '../model/byte-range.ts';

/** The value of a Range header for half-open bytes; HTTP names the last byte itself (RFC 9110 14.2). */
export function formatRange(range: ByteRange): string {
  return `bytes=${range.start}-${range.end - 1}`;
}

/** What a Content-Range header says; `total` is undefined where the server wrote `*`. */
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
