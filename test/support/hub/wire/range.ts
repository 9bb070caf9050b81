import type { Content } from '../content/content.ts';
import { bodyReply, emptyReply, type Reply, withHeaders } from './reply.ts';

/** A range that was asked for: half-open, or `unsatisfiable`, or `undefined` when the header is to be ignored. */
export type AskedRange = { readonly start: number; readonly end: number } | 'unsatisfiable' | undefined;

/** RFC 9110 section 14: a malformed header, another unit or several ranges at once count as no header at all. */
export function parseRange(value: string | undefined, size: number): AskedRange {
  const match = /^bytes=(\d*)-(\d*)$/.exec(value?.trim() ?? '');
  const first = match?.[1] ?? '';
  const last = match?.[2] ?? '';
  if (first === '' && last === '') return undefined;
  if (first === '') {
    const length = Math.min(Number(last), size);
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size };
  }
  const start = Number(first);
  if (last !== '' && Number(last) < start) return undefined;
  if (start >= size) return 'unsatisfiable';
  return { start, end: last === '' ? size : Math.min(Number(last) + 1, size) };
}

/** 200, 206 or 416 for a content, as protocol section 2.7 says. */
export function contentReply(
  content: Content,
  range: string | undefined,
  headers: Record<string, string>,
): Reply {
  const asked = parseRange(range, content.size);
  const common = { ...headers, 'Accept-Ranges': 'bytes' };
  if (asked === undefined) return bodyReply(200, content, common);
  if (asked === 'unsatisfiable') {
    return withHeaders(emptyReply(416, common), {
      'Content-Range': `bytes */${content.size}`,
      'Content-Length': '0',
    });
  }
  return partReply(content, asked.start, asked.end, common);
}

export function partReply(
  content: Content,
  start: number,
  end: number,
  headers: Readonly<Record<string, string>>,
): Reply {
  return {
    status: 206,
    headers: {
      ...headers,
      'Content-Range': `bytes ${start}-${end - 1}/${content.size}`,
      'Content-Length': String(end - start),
    },
    content,
    start,
    end,
  };
}
