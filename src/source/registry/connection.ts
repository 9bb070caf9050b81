import { discard, readBody, readStart } from '../../http/body.ts';
import type { HttpClient, HttpResponse } from '../../http/client.ts';
import {
  type Authorize,
  followRedirects,
  type HopRequest,
  type RedirectResult,
} from '../../http/follow-redirects.ts';
import { FetchError } from '../../model/error.ts';
import { type RepoRef, repoPath } from '../../model/repo.ts';
import type { Clock } from '../../system/clock.ts';
import type { RetryContext } from '../../system/retry.ts';
import type { Credential } from '../source.ts';
import { Authorizer } from './authorizer.ts';
import { loginFor, type RegistryLogin } from './login.ts';
import {
  ACCEPT_MANIFEST,
  LayerCounter,
  MAX_MANIFEST_BYTES,
  parseManifest,
  type ReceivedManifest,
} from './manifest.ts';
import { placeOf, type RegistryPlace } from './name.ts';
import { type RegistrySubject, registryError } from './registry-error.ts';

const MAX_ERROR_BYTES = 16 * 1024;
/** Maximum of challenges answered per request. */
const MAX_ANSWERS = 3;

/** What requests to registries need. */
export interface RegistryNetwork {
  readonly http: HttpClient;
  readonly clock: Clock;
  readonly logins: readonly RegistryLogin[];
  /** Sent with every request to the registry, before any challenge. */
  readonly token?: Credential | undefined;
  readonly retryContext: (what: string, signal: AbortSignal) => RetryContext;
}

/** A request to a registry: its address and its subject. */
interface RegistryRequest {
  readonly address: string;
  readonly subject: RegistrySubject;
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether to follow a redirect to `next`; all are followed if this is left out. */
  readonly follows?: (response: HttpResponse, next: string) => boolean;
}

/** Requests to one repository of a registry. One attempt each; challenges are answered in between. */
export class RegistryConnection {
  readonly place: RegistryPlace;
  readonly network: RegistryNetwork;
  /** The last blob that was located came from the registry itself: the next one need not be sent to be located. */
  servesBlobs = false;
  readonly #repo: RepoRef;
  readonly #login: RegistryLogin | undefined;
  readonly #authorizer: Authorizer;

  constructor(repo: RepoRef, network: RegistryNetwork) {
    this.#repo = repo;
    this.network = network;
    this.place = placeOf(repo);
    const { origin, host, repository } = this.place;
    const { http, clock, logins, token } = network;
    this.#login = loginFor(logins, host);
    this.#authorizer = new Authorizer({ origin, repository, login: this.#login, token, http, clock });
  }

  /** The address of a manifest, a blob, or the list of tags. */
  address(kind: 'manifests' | 'blobs' | 'tags', reference: string): string {
    return `${this.place.origin}/v2/${this.place.repository}/${kind}/${reference}`;
  }

  subject(what: string, more: Pick<RegistrySubject, 'reference' | 'layer'> = {}): RegistrySubject {
    return { what, name: repoPath(this.#repo), host: this.place.host, login: this.#login?.origin, ...more };
  }

  /** The credential of a request: for the registry's own origin only. */
  readonly authorize: Authorize = ({ origin }) =>
    origin === this.place.origin ? this.#authorizer.value : undefined;

  /** Sends a request and follows its redirects. The response may be a refusal: see `refusalOf`. */
  async send(
    request: RegistryRequest & { readonly follows?: never },
    signal: AbortSignal,
  ): Promise<RedirectResult & { readonly kind: 'answer' }>;
  async send(request: RegistryRequest, signal: AbortSignal): Promise<RedirectResult>;
  async send({ address, headers, follows }: RegistryRequest, signal: AbortSignal): Promise<RedirectResult> {
    return await followRedirects(address, {
      send: (hop) => this.#hop(hop),
      ...(headers === undefined ? {} : { headers }),
      authorize: this.authorize,
      ...(follows === undefined ? {} : { follows }),
      retryable: true,
      signal,
    });
  }

  /** Answers challenges of the registry itself; those of other origins count as refusals. */
  async #hop(hop: HopRequest): Promise<HttpResponse> {
    let request = hop;
    // More than once, because a concurrent request may have invalidated a new token.
    for (let answers = 0; ; answers += 1) {
      const response = await this.network.http.get(request);
      const isChallenge = response.status === 401 && hop.url.origin === this.place.origin;
      if (!isChallenge || answers >= MAX_ANSWERS) return response;
      const refused = request.headers['authorization'];
      if (!(await this.#authorizer.answer(response, refused, hop.signal))) return response;
      discard(response);
      const value = this.#authorizer.value;
      request = {
        ...hop,
        headers: { ...hop.headers, ...(value === undefined ? {} : { authorization: value }) },
      };
    }
  }

  /** The error for a refusal. */
  async refusalOf(
    response: HttpResponse,
    subject: RegistrySubject,
    signal: AbortSignal,
  ): Promise<FetchError> {
    const { status, headers } = response;
    const body = this.#withoutSecrets(await readStart(response, MAX_ERROR_BYTES, signal));
    return registryError(subject, { status, headers, body }, this.network.clock.now());
  }

  /** A registry may repeat the secrets that it was sent. */
  #withoutSecrets(text: string): string {
    const token = this.#authorizer.value?.replace(/^\w+ /, '');
    return [this.#login?.password, token].reduce<string>(
      (left, secret) => (secret === undefined || secret === '' ? left : left.replaceAll(secret, '(secret)')),
      text,
    );
  }

  /**
   * The manifest of a tag or digest, checked against the requested digest and the one that the registry states. If it
   * does not match or cannot be parsed it is requested once more: it may have been damaged on the way.
   */
  async manifest(reference: string, signal: AbortSignal): Promise<ReceivedManifest> {
    try {
      return await this.#manifestOnce(reference, signal);
    } catch (thrown) {
      signal.throwIfAborted();
      const isDamaged =
        thrown instanceof FetchError &&
        !thrown.retryable &&
        (thrown.code === 'INTEGRITY' || thrown.cause !== undefined);
      if (!isDamaged) throw thrown;
      return await this.#manifestOnce(reference, signal);
    }
  }

  async #manifestOnce(reference: string, signal: AbortSignal): Promise<ReceivedManifest> {
    const subject = this.subject(`the manifest of ${reference}`, { reference });
    const address = this.address('manifests', reference);
    const { response } = await this.send({ address, subject, headers: { accept: ACCEPT_MANIFEST } }, signal);
    if (response.status < 200 || response.status >= 300)
      throw await this.refusalOf(response, subject, signal);
    const where = `${subject.name} (${reference})`;
    const counter = new LayerCounter(where);
    const watch = (chunk: Uint8Array) => counter.add(chunk);
    const bytes = await readBody(response, MAX_MANIFEST_BYTES, signal, { watch });
    const { headers } = response;
    const received = parseManifest(bytes, headers['content-type'], where);
    const said = [headers['docker-content-digest'], headers['ollama-content-digest']];
    const asked = [reference, ...said.flat()].filter((one) => /^sha256:[0-9a-f]{64}$/.test(one ?? ''));
    const wrong = asked.find((digest) => digest !== received.digest);
    if (wrong === undefined) return received;
    throw new FetchError(
      'INTEGRITY',
      `the manifest of ${where} hashes to ${received.digest}, not to ${wrong}`,
      {
        hint: 'The registry, or a cache on the way, sends other bytes than it names. Nothing was kept: try again later.',
      },
    );
  }
}
