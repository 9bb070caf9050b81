import type { ByteRange } from '../model/byte-range.ts';

/** What a Range header asks for. `unsatisfiable` is answered by 416. */
export type AskedRange = ByteRange | 'whole' | 'unsatisfiable';

/**
 * Reads a Range header (RFC 9110 14.2) for content of `size` bytes. A header that is not understood, and one with several
 * ranges, is ignored, as the RFC allows.
 */
export function parseRange(header: string | undefined, size: number): AskedRange {
  const match = /^bytes=\s*(\d*)\s*-\s*(\d*)\s*$/i.exec(header?.trim() ?? '');
  // An empty file has no range to give.
  if (match === null || size === 0) return 'whole';
  const [, first = '', last = ''] = match;
  if (first === '' && last === '') return 'whole';
  if (first === '') {
    const length = Math.min(Number(last), size);
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size };
  }
  const start = Number(first);
  if (last !== '' && Number(last) < start) return 'whole';
  if (start >= size) return 'unsatisfiable';
  return { start, end: last === '' ? size : Math.min(Number(last) + 1, size) };
}

/** Whether a list of ETags, or `*`, names this one. A weak tag counts only where `weak` comparison is allowed (RFC 9110 8.8.3.2). */
export function namesEtag(header: string | undefined, etag: string, comparison: 'weak' | 'strong'): boolean {
  if (header === undefined) return false;
  if (header.trim() === '*') return true;
  return header.split(',').some((one) => {
    const tag = one.trim();
    return tag === etag || (comparison === 'weak' && tag === `W/${etag}`);
  });
}
