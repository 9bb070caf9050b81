import type { IncomingMessage } from 'node:http';
import type { ByteRange } from '../model/byte-range.ts';
import type { RemoteFile } from '../model/remote-file.ts';
import { type Answer, refusal } from './answer.ts';
import { gitBlob } from './git-pointer.ts';
import { type AskedRange, namesEtag, parseRange } from './request-range.ts';
import type { OpenedFile } from './send-file.ts';

/** The content of a file, or a range of it, with the headers of the Hub but for those of Xet. */
export function fileAnswer(
  request: Pick<IncomingMessage, 'method' | 'headers'>,
  { digest, sha256, size }: RemoteFile,
  file: OpenedFile,
): Answer {
  const etag = `"${digest?.hex ?? sha256 ?? ''}"`;
  const about = {
    'Accept-Ranges': 'bytes',
    ETag: etag,
    'X-Linked-ETag': etag,
    'X-Linked-Size': size,
  };
  if (namesEtag(request.headers['if-none-match'], etag, 'weak')) return { status: 304, headers: about };
  const asked = askedRange(request, etag, size);
  if (asked === 'unsatisfiable') {
    return refusal(416, 'The range begins behind the end', {
      ...about,
      'Content-Range': `bytes */${size}`,
    });
  }
  const isWhole = asked === 'whole';
  const range = isWhole ? { start: 0, end: size } : asked;
  const said = isWhole ? '*' : `${range.start}-${range.end - 1}`;
  // @huggingface/hub asks every file for its first byte and takes the size from the answer, also of an empty file.
  const isSaid = !isWhole || (size === 0 && request.headers.range !== undefined);
  const part = isSaid ? { 'Content-Range': `bytes ${said}/${size}` } : {};
  return {
    status: isWhole ? 200 : 206,
    headers: {
      ...about,
      ...part,
      'Content-Type': 'application/octet-stream',
      'Content-Length': range.end - range.start,
    },
    body: { file, range },
  };
}

/** A Range counts for GET only, and with If-Range only for the content that it names (RFC 9110 13.1.5, 14.2). */
function askedRange(
  { method, headers }: Pick<IncomingMessage, 'method' | 'headers'>,
  etag: string,
  size: number,
): AskedRange {
  const holds = headers['if-range'];
  if (method !== 'GET' || (holds !== undefined && !namesEtag(String(holds), etag, 'strong'))) return 'whole';
  return parseRange(headers.range, size);
}

/**
 * Which bytes of an unfinished file a request may get: one range that it names. Undefined for any other request, as the whole
 * is not here.
 */
export function partialRange(
  { method, headers }: Pick<IncomingMessage, 'method' | 'headers'>,
  { size }: RemoteFile,
): ByteRange | undefined {
  const asked = method === 'GET' ? parseRange(headers.range, size) : 'whole';
  return typeof asked === 'object' ? asked : undefined;
}

/** A range of an unfinished file that is written. The receiver compares the whole with its hash: there is no ETag to go by. */
export function partialAnswer({ size }: RemoteFile, { start, end }: ByteRange, file: OpenedFile): Answer {
  return {
    status: 206,
    headers: {
      'Accept-Ranges': 'bytes',
      'Content-Type': 'application/octet-stream',
      'Content-Range': `bytes ${start}-${end - 1}/${size}`,
      'Content-Length': end - start,
    },
    body: { file, range: { start, end } },
  };
}

/** The range is not written yet, or not any more. */
export function notWritten({ size }: RemoteFile): Answer {
  return refusal(416, 'This range is not here yet', { 'Content-Range': `bytes */${size}` });
}

/** The pointer of a large file; undefined for a file whose content is in git. */
export function pointerAnswer(file: RemoteFile): Answer | undefined {
  const blob = gitBlob(file);
  if (blob?.pointer === undefined) return undefined;
  const body = Buffer.from(blob.pointer);
  const headers = {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': body.length,
    ETag: `"${blob.oid}"`,
  };
  return { status: 200, headers, body };
}
