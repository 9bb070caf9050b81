import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Credential, credentialOf, type Token, userId } from './access.ts';
import { objectPath, Storage } from './answers/cdn.ts';
import { hubReply } from './answers/dispatch.ts';
import { overQuota } from './answers/hub-error.ts';
import { wholeContent } from './content/content.ts';
import { type Fault, FaultScript } from './faults/script.ts';
import { type LogEntry, RequestLog } from './log.ts';
import { bucketOf, type Quotas, RateLimiter } from './rate-limit.ts';
import { Catalog } from './repositories/catalog.ts';
import type { HubFile } from './repositories/file.ts';
import type { Repository, RepositoryDescription, RepositoryType } from './repositories/repository.ts';
import { DEFAULT_SETTINGS, type HubSettings } from './settings.ts';
import { type TruthFile, truthOf } from './truth.ts';
import { encoded, withJsonTag } from './wire/encoding.ts';
import type { Exchange, Origin, RequestKind, Transmission } from './wire/exchange.ts';
import { type Listener, listen } from './wire/listener.ts';
import { header, type Reply, withHeaders } from './wire/reply.ts';
import { parseRoute } from './wire/route.ts';
import { transmit } from './wire/transmit.ts';

export interface HubOptions extends Partial<HubSettings> {
  readonly repositories: readonly RepositoryDescription[];
  readonly tokens?: readonly Token[];
  readonly faults?: readonly Fault[];
  /** Without this nothing is ever refused for being too much. */
  readonly quotas?: Quotas;
  /** Of the hub; the CDN always gets any free one. */
  readonly port?: number;
  /** Of the hub and of the CDN each: one connection more is closed as soon as it stands. */
  readonly connectionLimit?: number;
}

export interface Hub extends AsyncDisposable {
  readonly origin: string;
  readonly cdnOrigin: string;
  readonly log: RequestLog;
  readonly faults: FaultScript;
  readonly settings: HubSettings;
  /** For changes while the hub runs: `setBranch`, `changeFile`, `deleteBranch`, `gated = 'auto'`. */
  repository(id: string, type?: RepositoryType): Repository;
  add(description: RepositoryDescription): Repository;
  truth(id: string, revision?: string, type?: RepositoryType): Promise<TruthFile[]>;
  /** Ends every connection. Safe to call twice. */
  close(): Promise<void>;
}

const EXPOSED =
  'X-Repo-Commit,X-Request-Id,X-Error-Code,X-Error-Message,X-Total-Count,ETag,Link,Accept-Ranges,Content-Range,' +
  'X-Linked-Size,X-Linked-ETag,X-Xet-Hash';

/** A Hugging Face Hub of its own on two ports of this machine: two origins, as the real one and its CDN are. */
export async function startHub(options: HubOptions): Promise<Hub> {
  const catalog = new Catalog();
  for (const description of options.repositories) catalog.add(description);
  const tokens = options.tokens ?? [];
  const settings: HubSettings = { ...DEFAULT_SETTINGS, ...settingsIn(options) };
  const log = new RequestLog();
  const faults = new FaultScript().add(...(options.faults ?? []));
  const limiter = new RateLimiter(options.quotas);
  const storage = new Storage();
  const started = performance.now();

  async function answer(
    origin: Origin,
    request: IncomingMessage,
    response: ServerResponse,
    reply: (exchange: Exchange) => Reply | Promise<Reply>,
    about: { kind: RequestKind; path: string; credential: Credential },
  ): Promise<void> {
    const target = request.url ?? '/';
    const entry = makeEntry(origin, request, about, performance.now() - started);
    log.entries.push(entry);
    const { kind, path } = about;
    const vanish = (milliseconds: number): void => (origin === 'hub' ? hub : cdn).vanish(milliseconds);
    const exchange: Exchange = {
      origin,
      kind,
      path,
      request,
      response,
      target,
      entry,
      vanish,
      changeBranch: (branch, change) => catalog.changeBranch(branch, change),
    };
    if (settings.latencyMs > 0) await sleep(settings.latencyMs);
    const transmission: Transmission = {
      reply: await reply(exchange),
      delayMs: 0,
      bytesPerSecond: settings.bytesPerSecond,
      cut: undefined,
      flips: [],
      closeAfter: undefined,
      interim: false,
      raw: undefined,
    };
    const faulty = await faults.apply(transmission, exchange);
    const packed = origin === 'hub' ? await encoded(faulty.reply, request) : faulty.reply;
    await transmit({ ...faulty, reply: packed }, exchange);
    entry.tookMs = performance.now() - started - entry.startedAt;
  }

  function onHub(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const route = parseRoute(request.url ?? '/', catalog);
    const credential = credentialOf(request, tokens);
    const kind = route?.kind ?? 'unknown';
    const path = route !== undefined && route.path !== '' ? route.path : urlPath(request);
    const reply = async (exchange: Exchange): Promise<Reply> => {
      const signedUrl = (file: HubFile, disposition: string): string =>
        storage.sign(file, {
          origin: settings.cdnBase ?? cdn.origin,
          path: objectPath(catalog.get(route?.id ?? '', route?.type), file),
          disposition,
          user: credential.state === 'valid' ? userId(credential.token.user) : 'public',
          client: request.socket.remoteAddress ?? '',
          expires: Math.ceil(Date.now() / 1000 + settings.signedUrlSeconds),
          range: settings.bindRanges ? request.headers.range : undefined,
        });
      const bucket = bucketOf(kind);
      const { refused, headers } = limiter.count(bucket);
      const origins = { hubOrigin: hub.origin, cdnOrigin: cdn.origin };
      const plain = refused
        ? overQuota(limiter.quota(bucket))
        : await hubReply({ exchange, route, credential, settings, signedUrl, ...origins }, catalog);
      return withHeaders(await tagged(plain), {
        ...headers,
        'X-Powered-By': 'huggingface-moon',
        'X-Request-Id': `Root=${randomUUID()}`,
        'Access-Control-Expose-Headers': EXPOSED,
      });
    };
    return answer('hub', request, response, reply, { kind, path, credential });
  }

  function onCdn(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const credential = credentialOf(request, tokens);
    const { path } = storage.find(request.url ?? '/');
    const reply = (exchange: Exchange): Reply => storage.reply(exchange, settings);
    return answer('cdn', request, response, reply, { kind: 'cdn', path, credential });
  }

  const cdn: Listener = await listen(onCdn, 0, options.connectionLimit);
  const hub: Listener = await listen(onHub, options.port, options.connectionLimit);
  const close = async (): Promise<void> => {
    await Promise.all([hub.close(), cdn.close()]);
  };
  return {
    origin: hub.origin,
    cdnOrigin: cdn.origin,
    log,
    faults,
    settings,
    repository: (id, type) => catalog.get(id, type),
    add: (description) => catalog.add(description),
    truth: (id, revision = 'main', type = 'model') => truthOf(catalog.get(id, type), revision),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function settingsIn(options: HubOptions): Partial<HubSettings> {
  const names = Object.keys(DEFAULT_SETTINGS) as (keyof HubSettings)[];
  return Object.fromEntries(
    names.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]),
  );
}

async function tagged(reply: Reply): Promise<Reply> {
  const isJson = header(reply, 'Content-Type')?.startsWith('application/json') === true;
  return isJson && reply.status === 200 ? withJsonTag(reply, await wholeContent(reply.content)) : reply;
}

function urlPath(request: IncomingMessage): string {
  return (request.url ?? '/').split('?')[0] ?? '/';
}

function makeEntry(
  origin: Origin,
  request: IncomingMessage,
  { kind, path, credential }: { kind: RequestKind; path: string; credential: Credential },
  startedAt: number,
): LogEntry {
  return {
    origin,
    kind,
    method: request.method ?? 'GET',
    url: urlPath(request),
    path,
    range: request.headers.range,
    authorization: credential.state,
    acceptEncoding: request.headers['accept-encoding']?.toString(),
    userAgent: request.headers['user-agent'],
    startedAt,
    status: 0,
    bytesSent: 0,
    tookMs: undefined,
    faults: [],
  };
}
