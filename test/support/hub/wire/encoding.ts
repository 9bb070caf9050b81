import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { gzipSync } from 'node:zlib';
import { bytes } from '../content/content.ts';
import { header, type Reply, withHeaders, withoutHeaders } from './reply.ts';

const LARGEST = 16 << 20;

/**
 * The gzip trap (protocol 2.8): whole text and JSON answers are compressed for clients that accept it, and lose their
 * length and the strength of their etag. Ranges never are.
 */
export async function encoded(reply: Reply, request: IncomingMessage): Promise<Reply> {
  if (reply.status !== 200 || !isText(reply)) return reply;
  const vary = [header(reply, 'Vary') ?? 'Origin', 'accept-encoding'].join(', ');
  const plain = withHeaders(reply, { Vary: vary });
  const accepted = /(^|[\s,])gzip\s*(;\s*q=(?!0(\.0*)?\s*(,|$))|,|$)/.test(
    String(request.headers['accept-encoding'] ?? ''),
  );
  if (!accepted || reply.end === reply.start || reply.content.size > LARGEST) return plain;
  const pieces: Buffer[] = [];
  for await (const piece of reply.content.read(reply.start, reply.end)) pieces.push(piece);
  const packed = bytes(gzipSync(Buffer.concat(pieces), { level: 1 }));
  const etag = header(reply, 'ETag');
  return {
    ...withHeaders(withoutHeaders(plain, 'Content-Length', 'Accept-Ranges'), {
      'Content-Encoding': 'gzip',
      ...(etag === undefined ? {} : { ETag: etag.startsWith('W/') ? etag : `W/${etag}` }),
    }),
    content: packed,
    start: 0,
    end: packed.size,
  };
}

/** JSON answers of the API carry an etag of their text. */
export function withJsonTag(reply: Reply, text: Buffer): Reply {
  const digest = createHash('sha1').update(text).digest('base64url');
  return withHeaders(reply, { ETag: `W/"${text.length.toString(16)}-${digest}"` });
}

function isText(reply: Reply): boolean {
  if (header(reply, 'Content-Encoding') !== undefined) return false;
  return /^(text\/|application\/json)/.test(header(reply, 'Content-Type') ?? '');
}
