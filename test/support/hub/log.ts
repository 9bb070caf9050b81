import type { IncomingMessage } from 'node:http';
import type { Origin, RequestKind } from './wire/exchange.ts';

/** One request as the hub saw it. Never holds a token. */
export interface LogEntry {
  readonly origin: Origin;
  readonly kind: RequestKind;
  readonly method: string;
  /** Path of the URL, still encoded, without the query. */
  readonly url: string;
  /** Path inside the repository where the request names a file, else the path of the URL. */
  readonly path: string;
  readonly range: string | undefined;
  /** Of this machine, where the request arrived. */
  readonly address: string | undefined;
  /** Whether an `Authorization` header came, and whether its token is one that this hub knows. */
  readonly authorization: 'none' | 'valid' | 'invalid';
  readonly acceptEncoding: string | undefined;
  readonly userAgent: string | undefined;
  /** Milliseconds since the hub started. */
  readonly startedAt: number;
  /** 0 until the head was sent; stays 0 if it never was. */
  status: number;
  /** Bytes of the body that were handed to the system, without the head. */
  bytesSent: number;
  /** Milliseconds; undefined while the answer is on its way. */
  tookMs: number | undefined;
  /** Names of the fault effects that were applied. */
  readonly faults: string[];
}

export function urlPath(request: IncomingMessage): string {
  return (request.url ?? '/').split('?')[0] ?? '/';
}

export function makeEntry(
  request: IncomingMessage,
  about: Pick<LogEntry, 'origin' | 'kind' | 'path' | 'authorization' | 'startedAt'>,
): LogEntry {
  return {
    ...about,
    method: request.method ?? 'GET',
    url: urlPath(request),
    range: request.headers.range,
    address: request.socket.localAddress,
    acceptEncoding: request.headers['accept-encoding']?.toString(),
    userAgent: request.headers['user-agent'],
    status: 0,
    bytesSent: 0,
    tookMs: undefined,
    faults: [],
  };
}

export interface LogFilter {
  readonly origin?: Origin;
  readonly kind?: RequestKind | readonly RequestKind[];
  readonly method?: string;
  readonly path?: string | RegExp;
  readonly status?: number;
}

export class RequestLog {
  readonly entries: LogEntry[] = [];

  where(filter: LogFilter = {}): LogEntry[] {
    const kinds = filter.kind === undefined ? undefined : [filter.kind].flat();
    return this.entries.filter(
      (entry) =>
        (filter.origin === undefined || entry.origin === filter.origin) &&
        (kinds === undefined || kinds.includes(entry.kind)) &&
        (filter.method === undefined || entry.method === filter.method) &&
        (filter.path === undefined || samePath(filter.path, entry.path)) &&
        (filter.status === undefined || entry.status === filter.status),
    );
  }

  count(filter: LogFilter = {}): number {
    return this.where(filter).length;
  }

  bytesSent(filter: Origin | LogFilter = {}): number {
    const wanted = typeof filter === 'string' ? { origin: filter } : filter;
    return this.where(wanted).reduce((sum, entry) => sum + entry.bytesSent, 0);
  }

  /** Requests that carried a token to an origin that must never see one. */
  tokenLeaks(): LogEntry[] {
    return this.entries.filter(
      (entry) => (entry.origin === 'cdn' || entry.origin === 'xorbs') && entry.authorization !== 'none',
    );
  }

  clear(): void {
    this.entries.length = 0;
  }
}

function samePath(wanted: string | RegExp, path: string): boolean {
  return typeof wanted === 'string' ? wanted === path : wanted.test(path);
}
