import { createHash, createHmac } from 'node:crypto';
import { sha1Text, xetHash } from '../content/digest.ts';
import type { HubFile } from '../repositories/file.ts';
import type { Repository } from '../repositories/repository.ts';
import type { HubSettings } from '../settings.ts';
import type { Exchange } from '../wire/exchange.ts';
import { contentReply } from '../wire/range.ts';
import type { Reply } from '../wire/reply.ts';
import {
  authorizationReply,
  badSignatureReply,
  expiredReply,
  noSuchObjectReply,
  rangeRequiredReply,
} from './cdn-error.ts';

/** Where the storage keeps a file. Says nothing about its sha256: the Hub's does not either. */
export function objectPath(repository: Repository, file: HubFile): string {
  const hash = xetHash(file.content);
  if (file.storage === 'xet') return `/xet-bridge-us/${repository.objectId}/${hash}`;
  return `/repos/${hash.slice(0, 2)}/${hash.slice(2, 4)}/${sha1Text(repository.id)}/${hash}`;
}

/** Objects that may be asked for, entered when somebody gets a URL of them. */
export class Storage {
  /** By path and disposition: the same bytes may stand in a repository under several names. */
  readonly #objects = new Map<string, HubFile>();
  readonly #secret: string = createHash('sha256').update(String(Math.random())).digest('hex');

  /** Query of protocol section 2.6, with the shortest policy that says the same. */
  sign(path: string, file: HubFile, disposition: string, seconds: number): string {
    this.#objects.set(`${path}\n${disposition}`, file);
    const expires = Math.ceil(Date.now() / 1000 + seconds);
    const policy = Buffer.from(
      JSON.stringify({ Statement: [{ Condition: { DateLessThan: { 'AWS:EpochTime': expires } } }] }),
    ).toString('base64');
    const query = new URLSearchParams({
      'X-Xet-Cas-Uid': 'public',
      'response-content-disposition': disposition,
      Expires: String(expires),
      Policy: policy,
      Signature: this.#signature(path, String(expires), disposition),
      'Key-Pair-Id': 'LOCALHUB',
    });
    return `${path}?${query}`;
  }

  find(target: string): { readonly file: HubFile | undefined; readonly path: string } {
    const url = new URL(target, 'http://storage');
    const file = this.#objects.get(`${url.pathname}\n${dispositionIn(url)}`);
    return { file, path: file?.path ?? url.pathname };
  }

  reply({ request, target }: Exchange, settings: HubSettings): Reply {
    const { file } = this.find(target);
    const url = new URL(target, 'http://storage');
    if (request.headers.authorization !== undefined) return authorizationReply();
    const expires = url.searchParams.get('Expires') ?? '';
    const disposition = dispositionIn(url);
    if (url.searchParams.get('Signature') !== this.#signature(url.pathname, expires, disposition)) {
      return badSignatureReply();
    }
    // Checked when a request begins; a running answer is never cut.
    if (Date.now() / 1000 >= Number(expires)) return expiredReply();
    if (file === undefined) return noSuchObjectReply();
    const { range } = request.headers;
    if (file.huge === true && range === undefined && request.method === 'GET') return rangeRequiredReply();
    return contentReply(file.content, range, {
      'Content-Type': 'application/octet-stream',
      ETag: `"${xetHash(file.content)}"`,
      'Content-Disposition': disposition,
      'X-Hf-Cdn-Pop': 'aws-us-east-1',
      ...(settings.cacheHeader ? { 'X-Cache': 'Hit from cloudfront' } : {}),
    });
  }

  #signature(path: string, expires: string, disposition: string): string {
    return createHmac('sha256', this.#secret)
      .update(`${path}\n${expires}\n${disposition}`)
      .digest('base64url');
  }
}

function dispositionIn(url: URL): string {
  return url.searchParams.get('response-content-disposition') ?? '';
}
