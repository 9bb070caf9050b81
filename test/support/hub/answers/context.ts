import type { Credential } from '../access.ts';
import type { Commit } from '../repositories/commit.ts';
import type { HubFile } from '../repositories/file.ts';
import type { Repository } from '../repositories/repository.ts';
import type { HubSettings } from '../settings.ts';
import type { Exchange } from '../wire/exchange.ts';
import type { Route } from '../wire/route.ts';

/** What the hub has to know of the content store behind it. */
export interface ContentStoreAccess {
  readonly casOrigin: string;
  /** A token for reading; `expires` is Unix seconds. */
  readToken(repository: string, revision: string): { readonly accessToken: string; readonly expires: number };
}

/** What an answer about a repository may look at. */
export interface Asked {
  readonly exchange: Exchange;
  readonly route: Route;
  /** Path and query as they came, without the prefix of the endpoint. */
  readonly target: string;
  readonly repository: Repository;
  readonly credential: Credential;
  readonly settings: HubSettings;
  /** With the prefix of the endpoint. */
  readonly hubOrigin: string;
  readonly cdnOrigin: string;
  /** Undefined: the hub names one that is not there, and gives no token for it. */
  readonly contentStore: ContentStoreAccess | undefined;
  /** The absolute URL under which the CDN serves a file for a while. */
  readonly signedUrl: (file: HubFile, disposition: string) => string;
}

/** The same after the revision was found. */
export interface AskedAt extends Asked {
  readonly commit: Commit;
}

export function casUrl({ contentStore, cdnOrigin }: Asked): string {
  return contentStore?.casOrigin ?? `${cdnOrigin}/cas`;
}

/** `models/OWNER/NAME`, as API paths have it. */
export function apiPath(repository: Repository): string {
  return `${repository.type}s/${repository.id}`;
}

export function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}
