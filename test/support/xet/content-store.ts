import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ContentStoreAccess } from '../hub/answers/context.ts';
import type { Content } from '../hub/content/content.ts';
import { FaultScript } from '../hub/faults/script.ts';
import { makeEntry, RequestLog, urlPath } from '../hub/log.ts';
import type { Exchange, RequestKind, Transmission } from '../hub/wire/exchange.ts';
import { type Listener, listen } from '../hub/wire/listener.ts';
import { parseRange } from '../hub/wire/range.ts';
import { jsonReply, type Reply, textReply } from '../hub/wire/reply.ts';
import { transmit } from '../hub/wire/transmit.ts';
import type { RealStore } from './real-store.ts';
import { firstVersion, reconstruct, type SignAddress, secondVersion } from './reconstruction.ts';
import type { ShardFile } from './shard.ts';
import { Uploads } from './uploads.ts';
import type { StoredXorb } from './xorb.ts';
import { XorbAddresses, xorbContent } from './xorb-address.ts';

/** How the store behaves; may be changed while it runs. */
export interface StoreSettings {
  tokenSeconds: number;
  addressSeconds: number;
  /** Versions of reconstructions that it knows. */
  versions: 'both' | 'v1' | 'v2';
  /** What it answers for a version that it does not know. */
  missingVersion: 404 | 501;
  /** Ranges under one address of v2; one each unless told, as the live store did in August 2026. */
  rangesPerAddress: number;
  /** Whether a reconstruction of a range leaves out the chunks that the range does not touch. */
  narrows: boolean;
  latencyMs: number;
  /** Of every connection on its own; undefined is as fast as it goes. */
  bytesPerSecond: number | undefined;
}

/** The forms of answers that clients must read. */
export const STORE_FORMS: readonly (readonly [name: string, settings: Partial<StoreSettings>])[] = [
  ['v2', {}],
  ['v1, because v2 is not there', { versions: 'v1' }],
  ['v1, because v2 is not implemented', { versions: 'v1', missingVersion: 501 }],
  ['several ranges under one address', { rangesPerAddress: 500 }],
  ['reconstructions that do not narrow', { narrows: false }],
];

export const STORE_SETTINGS: Readonly<StoreSettings> = {
  tokenSeconds: 900,
  addressSeconds: 3600,
  versions: 'both',
  missingVersion: 404,
  rangesPerAddress: 1,
  narrows: true,
  latencyMs: 0,
  bytesPerSecond: undefined,
};

interface IssuedToken {
  readonly expires: number;
  readonly scope: 'read' | 'write';
}

/**
 * A content store of Xet on two ports of this machine: its API (`cas`) and the storage of its xorbs (`xorbs`), which
 * are two origins as the live ones are. Stricter than the live one where that was seen to refuse something.
 */
export class ContentStore implements ContentStoreAccess, AsyncDisposable {
  readonly settings: StoreSettings;
  readonly log: RequestLog = new RequestLog();
  readonly faults: FaultScript = new FaultScript();
  readonly xorbs: Map<string, StoredXorb> = new Map();
  /** By Xet hash. */
  readonly files: Map<string, ShardFile> = new Map();
  /** Of each xorb whose uploader said them. */
  readonly chunkHashes: Map<string, readonly string[]> = new Map();
  /** Bodies of the clients' own reports. */
  readonly telemetry: string[] = [];
  readonly #tokens = new Map<string, IssuedToken>();
  readonly #leaks: string[] = [];
  readonly #addresses = new XorbAddresses();
  readonly #uploads: Uploads = new Uploads(this, () => this.xorbOrigin);
  readonly #started = performance.now();
  #cas: Listener | undefined;
  #storage: Listener | undefined;

  /** What holds the files in place of this store. */
  readonly #real: RealStore | undefined;

  private constructor(settings: StoreSettings, real: RealStore | undefined) {
    this.settings = settings;
    this.#real = real;
  }

  /** With `real`, tokens and signatures for a server that has neither. */
  static async start(settings: Partial<StoreSettings> = {}, real?: RealStore): Promise<ContentStore> {
    const store = new ContentStore({ ...STORE_SETTINGS, ...settings }, real);
    store.#cas = await listen((request, response) => store.#answerCas(request, response));
    store.#storage = await listen((request, response) => store.#answerStorage(request, response));
    return store;
  }

  get casOrigin(): string {
    return this.#cas?.origin ?? '';
  }

  get xorbOrigin(): string {
    return this.#storage?.origin ?? '';
  }

  readToken(): { readonly accessToken: string; readonly expires: number } {
    return this.#issue('read');
  }

  /** For the official clients that fill the store. */
  writeToken(): { readonly accessToken: string; readonly expires: number } {
    return this.#issue('write');
  }

  /** Every token that was given out so far is refused from now on. */
  endTokens(): void {
    for (const [token, { scope }] of this.#tokens) this.#tokens.set(token, { expires: 0, scope });
  }

  /** Requests that carried a token to the storage, or one to the API that this store never gave out. */
  leaks(): readonly string[] {
    return this.#leaks;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#cas?.close(), this.#storage?.close()]);
  }

  #issue(scope: IssuedToken['scope']): { readonly accessToken: string; readonly expires: number } {
    const accessToken = `xet_${randomUUID()}`;
    const expires = Math.floor(Date.now() / 1000) + this.settings.tokenSeconds;
    this.#tokens.set(accessToken, { expires, scope });
    return { accessToken, expires };
  }

  async #answerCas(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = urlPath(request);
    const token = request.headers.authorization?.replace(/^Bearer /, '');
    const issued = token === undefined ? undefined : this.#tokens.get(token);
    if (token !== undefined && issued === undefined) this.#leaks.push(`${request.method} ${path} of the API`);
    const valid = issued !== undefined && issued.expires > Date.now() / 1000;
    const authorization = token === undefined ? 'none' : valid ? 'valid' : 'invalid';
    const about = {
      origin: 'cas',
      kind: kindOf(path),
      path: path.split('/').at(-1) ?? '',
      authorization,
    } as const;
    await this.#answer(request, response, about, async () => {
      if (!valid) return jsonReply(401, { error: 'invalid or expired token' });
      return (await this.#casReply(request, path, issued.scope)) ?? textReply(404, 'Not Found');
    });
  }

  async #answerStorage(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = urlPath(request);
    const { authorization } = request.headers;
    if (authorization !== undefined) this.#leaks.push(`${request.method} ${path} of the storage`);
    const about = {
      origin: 'xorbs',
      kind: path.startsWith('/uploads/') ? 'xet-upload' : 'xorb',
      path: path.split('/').at(-1) ?? '',
      authorization: authorization === undefined ? 'none' : 'invalid',
    } as const;
    await this.#answer(request, response, about, async () => {
      if (about.kind === 'xet-upload') return this.#uploads.put(request, about.path);
      const { range, host = '' } = request.headers;
      const target = request.url ?? '/';
      return this.#addresses.reply({ target, host, range, authorization }, (hash) => this.#content(hash));
    });
  }

  async #answer(
    request: IncomingMessage,
    response: ServerResponse,
    about: Pick<Exchange, 'kind' | 'path'> & {
      origin: 'cas' | 'xorbs';
      authorization: 'none' | 'valid' | 'invalid';
    },
    reply: () => Promise<Reply>,
  ): Promise<void> {
    const entry = makeEntry(request, { ...about, startedAt: performance.now() - this.#started });
    this.log.entries.push(entry);
    const { origin, kind, path } = about;
    const listener = origin === 'cas' ? this.#cas : this.#storage;
    const exchange: Exchange = {
      origin,
      kind,
      path,
      request,
      response,
      target: request.url ?? '/',
      entry,
      vanish: (milliseconds) => listener?.vanish(milliseconds),
      changeBranch: () => {},
    };
    const { bytesPerSecond, latencyMs } = this.settings;
    const transmission: Transmission = {
      reply: await reply(),
      delayMs: latencyMs,
      bytesPerSecond,
      allowance: () => undefined,
      cut: undefined,
      flips: [],
      closeAfter: undefined,
      interim: false,
      raw: undefined,
    };
    await transmit(await this.faults.apply(transmission, exchange), exchange);
    entry.tookMs = performance.now() - this.#started - entry.startedAt;
  }

  async #casReply(
    request: IncomingMessage,
    path: string,
    scope: IssuedToken['scope'],
  ): Promise<Reply | undefined> {
    if (path === '/v1/telemetry') {
      for await (const piece of request) this.telemetry.push(String(piece));
      return jsonReply(200, {});
    }
    const [, version, hash = ''] = /^\/(v[12])\/reconstructions\/([0-9a-f]{64})$/.exec(path) ?? [];
    if (version !== undefined) return this.#reconstruction(version as 'v1' | 'v2', hash, request);
    // Nothing is known of chunks of other repositories.
    if (path.startsWith('/v1/chunks/')) return textReply(404, 'Not Found');
    if (scope !== 'write') return jsonReply(403, { error: 'the token is for reading' });
    return this.#uploads.reply(request, path);
  }

  async #reconstruction(version: 'v1' | 'v2', hash: string, request: IncomingMessage): Promise<Reply> {
    const { versions, missingVersion, narrows, rangesPerAddress, addressSeconds } = this.settings;
    if (versions !== 'both' && versions !== version) return textReply(missingVersion, 'Not Found');
    const { range } = request.headers;
    const session = String(request.headers['x-xet-session-id'] ?? 'none');
    const expires = Math.ceil(Date.now() / 1000 + addressSeconds);
    const address: SignAddress = (xorb, ranges) =>
      this.#addresses.sign(this.xorbOrigin, xorb, ranges, { session, expires });
    if (this.#real !== undefined) return this.#real.reconstruction(version, hash, range, address);
    const file = this.files.get(hash);
    if (file === undefined) return textReply(404, 'File not found');
    const size = file.terms.reduce((sum, term) => sum + term.length, 0);
    const asked = parseRange(range, size);
    if (asked === 'unsatisfiable') return textReply(416, 'Range not satisfiable');
    const found = reconstruct(file.terms, this.xorbs, asked ?? { start: 0, end: size }, narrows);
    return jsonReply(
      200,
      version === 'v1' ? firstVersion(found, address) : secondVersion(found, rangesPerAddress, address),
    );
  }

  #content(hash: string): Content | undefined | Promise<Content | undefined> {
    if (this.#real !== undefined) return this.#real.content(hash);
    const xorb = this.xorbs.get(hash);
    return xorb === undefined ? undefined : xorbContent(xorb);
  }
}

function kindOf(path: string): RequestKind {
  if (path.includes('/reconstructions/')) return 'reconstruction';
  return path === '/v1/telemetry' ? 'xet-telemetry' : 'xet-upload';
}
