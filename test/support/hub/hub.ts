import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Credential, credentialOf, type Token, userId } from './access.ts';
import { objectPath, Storage } from './answers/cdn.ts';
import type { ContentStoreAccess } from './answers/context.ts';
import { hubReply } from './answers/dispatch.ts';
import { overQuota } from './answers/hub-error.ts';
import { wholeContent } from './content/content.ts';
import { type Fault, FaultScript } from './faults/script.ts';
import { makeEntry, RequestLog, urlPath } from './log.ts';
import { bucketOf, type Quotas, RateLimiter } from './rate-limit.ts';
import { Catalog } from './repositories/catalog.ts';
import type { HubFile } from './repositories/file.ts';
import type { Repository, RepositoryDescription, RepositoryType } from './repositories/repository.ts';
import { DEFAULT_SETTINGS, type HubSettings } from './settings.ts';
import { type TruthFile, truthOf } from './truth.ts';
import { ContentNetwork } from './wire/content-network.ts';
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
  /** Of the CDN, 127.0.0.1 unless told: the same port on each. `settings.cdnName` gives them one name. */
  readonly cdnAddresses?: readonly string[];
  /** Of the hub and of each address of the CDN: one connection more is closed as soon as it stands. */
  readonly connectionLimit?: number;
  /** Holds the chunks of the files that have a real Xet hash. */
  readonly contentStore?: ContentStoreAccess;
}

export interface Hub extends AsyncDisposable {
  readonly origin: string;
  /** The origin with the prefix that `settings.pathPrefix` asks for: what a client is told. */
  readonly endpoint: string;
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
    const { kind, path, credential } = about;
    const startedAt = performance.now() - started;
    const entry = makeEntry(request, { origin, kind, path, authorization: credential.state, startedAt });
    log.entries.push(entry);
    const edge = origin === 'cdn' ? cdn.edge(request) : undefined;
    const vanish = (milliseconds: number): void =>
      origin === 'hub' ? hub.vanish(milliseconds) : cdn.vanish(request, milliseconds);
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
      delayMs: edge?.firstByteMs(request.socket, settings) ?? 0,
      bytesPerSecond: settings.bytesPerSecond,
      allowance: () => edge?.rate(settings),
      cut: undefined,
      flips: [],
      closeAfter: undefined,
      interim: false,
      raw: undefined,
    };
    const faulty = await faults.apply(transmission, exchange);
    const packed = origin === 'hub' ? await encoded(faulty.reply, request) : faulty.reply;
    const send = (): Promise<void> => transmit({ ...faulty, reply: packed }, exchange);
    await (edge === undefined ? send() : edge.during(send));
    entry.tookMs = performance.now() - started - entry.startedAt;
  }

  function onHub(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const target = below(settings.pathPrefix, request.url ?? '/');
    const route = target === undefined ? undefined : parseRoute(target, catalog);
    const credential = credentialOf(request, tokens);
    const kind = route?.kind ?? 'unknown';
    const path = route !== undefined && route.path !== '' ? route.path : urlPath(request);
    const reply = async (exchange: Exchange): Promise<Reply> => {
      const signedUrl = (file: HubFile, disposition: string): string =>
        storage.sign(file, {
          origin: cdnOrigin(),
          path: objectPath(catalog.get(route?.id ?? '', route?.type), file),
          disposition,
          user: credential.state === 'valid' ? userId(credential.token.user) : 'public',
          client: request.socket.remoteAddress ?? '',
          expires: Math.ceil(Date.now() / 1000 + settings.signedUrlSeconds),
          range: settings.bindRanges ? request.headers.range : undefined,
        });
      const bucket = bucketOf(kind);
      const { refused, headers } = limiter.count(bucket);
      const asked = { route, target: target ?? '/', credential, settings, signedUrl };
      const { contentStore } = options;
      const origins = { hubOrigin: hub.origin + settings.pathPrefix, cdnOrigin: cdn.origin, contentStore };
      const plain = refused
        ? overQuota(limiter.quota(bucket))
        : await hubReply({ exchange, ...asked, ...origins }, catalog);
      return withHeaders(await tagged(plain), {
        ...headers,
        ...(kind === 'resolve' && isRedirect(plain) && credential.state === 'none' ? ANONYMOUS : {}),
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

  const { port, connectionLimit, cdnAddresses = ['127.0.0.1'] } = options;
  const cdn: ContentNetwork = await ContentNetwork.open(onCdn, cdnAddresses, connectionLimit);
  const hub: Listener = await listen(onHub, { port, connectionLimit });
  const cdnOrigin = (): string => {
    const { cdnBase, cdnName } = settings;
    return cdnBase ?? (cdnName === undefined ? cdn.origin : `http://${cdnName}:${cdn.port}`);
  };
  const close = async (): Promise<void> => {
    await Promise.all([hub.close(), cdn.close()]);
  };
  return {
    origin: hub.origin,
    get endpoint() {
      return hub.origin + settings.pathPrefix;
    },
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

/** What the Hub tells people without a token, on redirects to files (field facts 1.5). */
const ANONYMOUS = {
  'X-HF-Warning':
    'unauthenticated; Warning: You are sending unauthenticated requests to the HF Hub. ' +
    'Please set a HF_TOKEN to enable higher rate limits and faster downloads.',
};

function isRedirect({ status }: Reply): boolean {
  return status === 302 || status === 307;
}

/** The target without the prefix; undefined where it stands elsewhere. */
function below(prefix: string, target: string): string | undefined {
  return target.startsWith(`${prefix}/`) ? target.slice(prefix.length) : undefined;
}
