import type { ResponseHead } from '../../../http/head-parser.ts';

/** Why a 206 is not the plain requested one; undefined if it is. Without `fileSize` any total will do. */
export function rangeProblem(
  head: ResponseHead,
  start: number,
  end: number,
  fileSize: number | undefined,
): string | undefined {
  const { headers } = head;
  if (headers.has('transfer-encoding')) return 'a transfer coding';
  if ((headers.get('content-encoding') ?? 'identity').toLowerCase() !== 'identity') return 'a content coding';
  const named = headers.get('content-range') ?? '';
  const wanted = `bytes ${start}-${end - 1}/`;
  if (fileSize === undefined ? !named.startsWith(wanted) : named !== `${wanted}${fileSize}`)
    return 'another Content-Range';
  if (headers.get('content-length') !== String(end - start)) return 'another Content-Length';
  return undefined;
}

/** Whether the server will take another request on this connection. */
export function keepsAlive(head: ResponseHead): boolean {
  const options = (head.headers.get('connection') ?? '').toLowerCase().split(',');
  return !options.some((option) => option.trim() === 'close');
}
