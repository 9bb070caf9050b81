import { sha1Text } from '../content/digest.ts';
import { type HubFile, xetHashOf } from '../repositories/file.ts';
import type { Repository } from '../repositories/repository.ts';
import type { HubSettings } from '../settings.ts';
import type { Exchange } from '../wire/exchange.ts';
import { contentReply } from '../wire/range.ts';
import type { Reply } from '../wire/reply.ts';
import {
  authFailedReply,
  authorizationReply,
  expiredReply,
  noSuchObjectReply,
  rangeRequiredReply,
} from './cdn-error.ts';
import { type Grant, Signer } from './signature.ts';

/** Where the storage keeps a file. Says nothing about its sha256: the Hub's does not either. */
export function objectPath(repository: Repository, file: HubFile): string {
  const hash = xetHashOf(file);
  if (file.storage === 'xet') return `/xet-bridge-us/${repository.objectId}/${hash}`;
  return `/repos/${hash.slice(0, 2)}/${hash.slice(2, 4)}/${sha1Text(repository.id)}/${hash}`;
}

/** Objects that may be requested, entered when a client gets a URL of them. */
export class Storage {
  /** By path and disposition: the same bytes may stand in a repository under several names. */
  readonly #objects = new Map<string, HubFile>();
  readonly #signer = new Signer();

  sign(file: HubFile, grant: Grant): string {
    this.#objects.set(`${grant.path}\n${grant.disposition}`, file);
    return `${grant.origin}${this.#signer.sign(grant)}`;
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
    const verdict = this.#signer.check(target, request.headers.host ?? '');
    if ('refused' in verdict) return authFailedReply(`SignatureError: ${verdict.refused}`);
    const { policy, xip } = verdict;
    const here = this.#signer.xip(request.socket.remoteAddress ?? '');
    if (settings.bindAddresses && xip !== here) return authFailedReply('invalid client address');
    if (policy.range !== undefined && policy.range !== request.headers.range)
      return authFailedReply('invalid range');
    // Checked when a request begins; a running answer is never cut.
    if (Date.now() / 1000 >= policy.expires) return expiredReply();
    if (file === undefined) return noSuchObjectReply();
    const { range } = request.headers;
    if (file.huge === true && range === undefined && request.method === 'GET') return rangeRequiredReply();
    return contentReply(file.content, range, {
      'Content-Type': 'application/octet-stream',
      ETag: `"${xetHashOf(file)}"`,
      'Content-Disposition': dispositionIn(url),
      'X-Hf-Cdn-Pop': 'aws-us-east-1',
      ...(settings.cacheHeader ? { 'X-Cache': 'Hit from cloudfront' } : {}),
    });
  }
}

function dispositionIn(url: URL): string {
  return url.searchParams.get('response-content-disposition') ?? '';
}
