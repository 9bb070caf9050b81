import type { IncomingMessage, ServerResponse } from 'node:http';
import { serveHttp, type TestServer, type TlsPair } from '../server.ts';
import { Access, type AccessOptions } from './access.ts';
import { type AskedKind, Faults, type RegistryFault } from './faults.ts';
import type { PushedModel } from './model.ts';
import { Storage } from './storage.ts';

export interface RegistryOptions {
  /** `ollama`: blobs are redirected, there is no list of tags but a page. `oci`: as the protocol says. */
  readonly like: 'ollama' | 'oci';
  /** By repository and tag. */
  readonly models: Readonly<Record<string, Readonly<Record<string, PushedModel>>>>;
  /** Blobs are redirected to the storage; as `like` does it if left out. */
  readonly redirects?: boolean;
  /** Manifests are answered by their digest; true if left out. */
  readonly servesDigests?: boolean;
  readonly access?: AccessOptions;
  /** Seconds until an address of the storage expires; 1200 if left out. */
  readonly addressSeconds?: number;
  /** Registry and storage speak TLS. */
  readonly tls?: TlsPair;
  /** The storage speaks plain http all the same. */
  readonly storageIsOpen?: boolean;
  /** Tags on each page of the list. */
  readonly tagsPerPage?: number;
}

/** One request as it arrived. Of the credential only its kind. */
export interface RegistryRequest {
  readonly kind: AskedKind;
  readonly method: string;
  readonly url: string;
  readonly host: 'registry' | 'storage';
  readonly authorization: string | undefined;
  readonly range: string | undefined;
}

/**
 * A registry on two real ports: the registry, and the storage of its blobs. Strict: what the protocol does not have is
 * an error, and the storage refuses requests with a credential, as S3 does with two ways to sign.
 */
export class Registry implements AsyncDisposable {
  readonly log: RegistryRequest[] = [];
  readonly faults: Faults = new Faults();
  readonly #options: RegistryOptions;
  readonly #models = new Map<string, Map<string, PushedModel>>();
  readonly #removed = new Set<string>();
  #server!: TestServer;
  #storage!: Storage;
  #access!: Access;

  private constructor(options: RegistryOptions) {
    this.#options = options;
    for (const [name, tags] of Object.entries(options.models))
      this.#models.set(name, new Map(Object.entries(tags)));
  }

  static async start(options: RegistryOptions): Promise<Registry> {
    const registry = new Registry(options);
    registry.#storage = await Storage.start({
      seconds: options.addressSeconds ?? 1200,
      tls: options.storageIsOpen === true ? undefined : options.tls,
      blob: (digest) => registry.#blob(digest),
      rateOf: (response) => registry.faults.rates.get(response),
      answer: (request, response, kind, work) =>
        registry.#answer(request, response, { kind, host: 'storage' }, work),
    });
    registry.#server = await serveHttp(
      (request, response) => registry.#route(request, response),
      options.tls,
    );
    registry.#access = new Access(options.access, registry.#server.origin);
    return registry;
  }

  /** `127.0.0.1:PORT`. */
  get host(): string {
    return new URL(this.#server.origin).host;
  }

  /** With the scheme. */
  get origin(): string {
    return this.#server.origin;
  }

  get storageHost(): string {
    return this.#storage.host;
  }

  /** Requests of a kind that have arrived. */
  count(kind: AskedKind): number {
    return this.log.filter((request) => request.kind === kind).length;
  }

  /** Bytes of blobs that were sent. */
  get blobBytes(): number {
    return this.#storage.sentBytes;
  }

  set blobBytes(bytes: number) {
    this.#storage.sentBytes = bytes;
  }

  fault(fault: RegistryFault): void {
    this.faults.add(fault);
  }

  /** Points a tag to another model. */
  move(name: string, tag: string, model: PushedModel): void {
    const tags = this.#models.get(name) ?? new Map<string, PushedModel>();
    tags.set(tag, model);
    this.#models.set(name, tags);
  }

  /** Forgets a tag; its manifest is gone. */
  untag(name: string, tag: string): void {
    this.#models.get(name)?.delete(tag);
  }

  /** A blob that a manifest names and the registry lacks. */
  removeBlob(digest: string): void {
    this.#removed.add(digest);
  }

  /** Every token that was given out stops being good. */
  revokeTokens(): void {
    this.#access.revoke();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#server[Symbol.asyncDispose](), this.#storage[Symbol.asyncDispose]()]);
  }

  async #answer(
    request: IncomingMessage,
    response: ServerResponse,
    { kind, host }: Pick<RegistryRequest, 'kind' | 'host'>,
    work: () => unknown,
  ): Promise<void> {
    const { method = '', url = '', headers } = request;
    this.log.push({ kind, method, url, host, authorization: headers.authorization, range: headers.range });
    const fault = this.faults.next(kind, url);
    response.on('error', () => {});
    try {
      if (fault !== undefined && (await this.faults.before(fault, request, response))) return;
      await work();
    } catch (error) {
      if (!response.headersSent) response.writeHead(500).end(String(error));
      else response.destroy();
    }
  }

  #route(request: IncomingMessage, response: ServerResponse): unknown {
    const url = new URL(request.url ?? '/', this.#server.origin);
    const answer = (kind: AskedKind, work: () => unknown) =>
      this.#answer(request, response, { kind, host: 'registry' }, work);
    if (url.pathname === '/token')
      return answer('token', () => this.#access.giveToken(request, response, url));
    const match = /^\/v2\/(.+)\/(manifests|blobs|tags)\/([^/]+)$/.exec(url.pathname);
    const [, name = '', kind, reference = ''] = match ?? [];
    if (kind === 'manifests')
      return answer('manifest', () =>
        this.#guarded(request, response, name, () => this.#manifest(request, response, name, reference)),
      );
    if (kind === 'blobs')
      return answer('blob', () =>
        this.#guarded(request, response, name, () => this.#redirect(request, response, reference)),
      );
    if (kind === 'tags' && reference === 'list')
      return answer('tags', () =>
        this.#guarded(request, response, name, () => this.#tags(response, name, url)),
      );
    const page = /^\/([^/]+\/[^/]+)\/tags$/.exec(url.pathname)?.[1];
    if (page !== undefined && this.#options.like === 'ollama')
      return answer('page', () => this.#page(response, page));
    // `/v2/` alone is how clients find out whether this is a registry.
    if (url.pathname === '/v2/')
      return answer('other', () =>
        this.#guarded(request, response, '', () => void response.writeHead(200).end('{}')),
      );
    return answer('other', () => void response.writeHead(404).end('404 page not found'));
  }

  async #guarded(
    request: IncomingMessage,
    response: ServerResponse,
    name: string,
    work: () => unknown,
  ): Promise<void> {
    if (this.#access.admits(request, response, name)) await work();
  }

  #manifest(request: IncomingMessage, response: ServerResponse, name: string, reference: string): unknown {
    const tags = this.#models.get(name);
    if (tags === undefined)
      return refuse(response, 404, 'NAME_UNKNOWN', 'repository name not known to registry');
    const { servesDigests = true, like } = this.#options;
    const isDigest = reference.startsWith('sha256:');
    const models = [...tags.values()].flatMap((model) => [model, ...model.children]);
    const model =
      isDigest && servesDigests ? models.find((one) => one.digest === reference) : tags.get(reference);
    if (model === undefined) return refuse(response, 404, 'MANIFEST_UNKNOWN', 'manifest unknown');
    // As Debian's registry does with a form that the client does not name.
    if (like === 'oci' && !(request.headers.accept ?? '').includes(model.mediaType))
      return refuse(response, 404, 'MANIFEST_UNKNOWN', `accept header does not support ${model.mediaType}`);
    const digest = like === 'ollama' ? {} : { 'docker-content-digest': model.digest };
    const bytes = model.manifest;
    response.writeHead(200, { 'content-type': model.mediaType, 'content-length': bytes.length, ...digest });
    return response.end(request.method === 'HEAD' ? undefined : bytes);
  }

  async #redirect(request: IncomingMessage, response: ServerResponse, digest: string): Promise<unknown> {
    if (this.#blob(digest) === undefined)
      return refuse(response, 404, 'BLOB_UNKNOWN', 'blob unknown to registry');
    const { like, redirects = like === 'ollama' } = this.#options;
    if (!redirects) return await this.#storage.send(request, response, digest);
    return response.writeHead(307, { location: this.#storage.address(digest) }).end();
  }

  #tags(response: ServerResponse, name: string, url: URL): unknown {
    const tags = this.#models.get(name);
    if (this.#options.like === 'ollama') return response.writeHead(404).end('404 page not found');
    if (tags === undefined)
      return refuse(response, 404, 'NAME_UNKNOWN', 'repository name not known to registry');
    const all = [...tags.keys()].sort();
    const last = url.searchParams.get('last');
    const from = last === null ? 0 : all.indexOf(last) + 1;
    const count = Math.min(this.#options.tagsPerPage ?? 1000, Number(url.searchParams.get('n') ?? 1000));
    const page = all.slice(from, from + count);
    const more = from + count < all.length;
    const link = `</v2/${name}/tags/list?n=${count}&last=${encodeURIComponent(page.at(-1) ?? '')}>; rel="next"`;
    response.writeHead(200, { 'content-type': 'application/json', ...(more ? { link } : {}) });
    return response.end(JSON.stringify({ name, tags: page }));
  }

  /** A page of a model as Ollama's site has it: links to its tags, each more than once, and to much else. */
  #page(response: ServerResponse, name: string): unknown {
    const tags = this.#models.get(name);
    if (tags === undefined)
      return response.writeHead(404, { 'content-type': 'text/html' }).end('<html>404</html>');
    const rows = [...tags.keys()].map(
      (tag) => `<div><a href="/${name}:${tag}" class="group"><span>${tag}</span></a>
        <a href="/${name}:${encodeURIComponent(tag)}">again</a><a href='/${name}:${tag}/blobs/0123456789ab'>blob</a></div>`,
    );
    const others = `<a href="/library/other:7b">other</a><a href="https://elsewhere.example/${name}:evil">evil</a>
      <a href="/${name}-two:8b">longer</a><a>none</a><a href="javascript:alert(1)">js</a><a href="/${name}">plain</a>`;
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
    return response.end(
      `<!doctype html><html><head><title>${name} &amp; its tags & more</title></head><body><!-- <a href="/${name}:commented">x</a> -->${others}${rows.join('\n')}</body></html>`,
    );
  }

  #blob(digest: string) {
    if (this.#removed.has(digest)) return undefined;
    const all = [...this.#models.values()].flatMap((tags) => [...tags.values()]);
    for (const model of all.flatMap((one) => [one, ...one.children])) {
      const found = model.blobs.get(digest);
      if (found !== undefined) return this.faults.sized(digest, found);
    }
    return undefined;
  }
}

function refuse(response: ServerResponse, status: number, code: string, message: string): unknown {
  response.writeHead(status, { 'content-type': 'application/json' });
  return response.end(JSON.stringify({ errors: [{ code, message }] }));
}
