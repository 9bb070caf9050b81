import {
  authFailedReply,
  authorizationReply,
  expiredReply,
  noSuchObjectReply,
} from '../hub/answers/cdn-error.ts';
import { Signer } from '../hub/answers/signature.ts';
import { bytes, type Content, joined } from '../hub/content/content.ts';
import { contentReply } from '../hub/wire/range.ts';
import { bodyReply, type Reply } from '../hub/wire/reply.ts';
import type { FetchRange } from './reconstruction.ts';
import type { StoredXorb } from './xorb.ts';

const BOUNDARY = 'xet-part-7d3f1c';

/** A request for bytes of a xorb. */
export interface AskedXorb {
  /** Path and query as they came. */
  readonly target: string;
  readonly host: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

/** Signed addresses of xorbs, in the form of August 2026 (field facts 8): each is good for exactly its ranges. */
export class XorbAddresses {
  readonly #signer = new Signer();

  /** `expires` is Unix seconds. */
  sign(
    origin: string,
    xorb: string,
    ranges: readonly FetchRange['bytes'][],
    about: { readonly session: string; readonly expires: number },
  ): string {
    const signed = ranges.map(({ start, end }) => `${start}-${end}`).join(',');
    const several = ranges.length > 1;
    const query = {
      user_id: 'public',
      repo_id: '66f0000000000000000000aa',
      'X-Xet-Session-Id': about.session,
      // Of a single range the policy says it.
      ...(several ? { 'X-Xet-Signed-Range': `bytes=${signed}` } : {}),
    };
    const range = several ? undefined : `bytes=${signed}`;
    const path = `/xorbs/default/${xorb}`;
    return origin + this.#signer.signAddress({ origin, path, query, expires: about.expires, range });
  }

  async reply(
    { target, host, range, authorization }: AskedXorb,
    find: (hash: string) => Content | undefined | Promise<Content | undefined>,
  ): Promise<Reply> {
    if (authorization !== undefined) return authorizationReply();
    const verdict = this.#signer.check(target, host);
    if ('refused' in verdict) return authFailedReply(`SignatureError: ${verdict.refused}`);
    const { policy } = verdict;
    const url = new URL(target, 'http://xorbs');
    const signed = policy.range === undefined ? rangesOf(url) : [policy.range];
    if (range === undefined || !signed.includes(range)) return authFailedReply('invalid range');
    if (Date.now() / 1000 >= policy.expires) return expiredReply();
    const hash = url.pathname.slice(url.pathname.lastIndexOf('/') + 1);
    const content = await find(hash);
    if (content === undefined) return noSuchObjectReply();
    const headers = { 'Content-Type': 'application/octet-stream', ETag: `"${hash}"` };
    return range.includes(',') ? multipart(content, range) : contentReply(content, range, headers);
  }
}

/** Of an address for several: all at once, or any of them. */
function rangesOf(url: URL): readonly string[] {
  const listed = url.searchParams.get('X-Xet-Signed-Range');
  if (listed === null) return [];
  const single = listed.slice('bytes='.length).split(',');
  return [listed, ...single.map((range) => `bytes=${range}`)];
}

export function xorbContent({ hash, data }: StoredXorb): Content {
  return {
    size: data.length,
    key: `xorb:${hash}`,
    *read(start, end) {
      for (let at = start; at < end; at += 1 << 20) yield data.subarray(at, Math.min(at + (1 << 20), end));
    },
  };
}

function multipart(content: Content, range: string): Reply {
  const parts = range
    .slice('bytes='.length)
    .split(',')
    .flatMap((part) => {
      const [start = 0, end = 0] = part.split('-').map(Number);
      const head =
        `\r\n--${BOUNDARY}\r\nContent-Type: application/octet-stream\r\n` +
        `Content-Range: bytes ${start}-${end}/${content.size}\r\n\r\n`;
      return [bytes(head), slice(content, start, end + 1)];
    });
  const body = joined([...parts, bytes(`\r\n--${BOUNDARY}--\r\n`)]);
  return bodyReply(206, body, { 'Content-Type': `multipart/byteranges; boundary=${BOUNDARY}` });
}

function slice(content: Content, start: number, end: number): Content {
  return {
    size: end - start,
    key: `${content.key} ${start}-${end}`,
    read: (from, to) => content.read(start + from, start + to),
  };
}
