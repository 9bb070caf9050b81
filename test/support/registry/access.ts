import type { IncomingMessage, ServerResponse } from 'node:http';

export interface AccessOptions {
  readonly challenge: 'bearer' | 'basic';
  /** Who may pull; every user with a token if left out. */
  readonly user?: string;
  readonly password?: string;
  /** Requests that a token is good for; no limit if left out. */
  readonly usesPerToken?: number;
  /** In place of the service of this registry. */
  readonly realm?: string;
}

/** Who may ask, and for how long. */
export class Access {
  readonly #options: AccessOptions | undefined;
  readonly #origin: string;
  readonly #tokens = new Map<string, { readonly scope: string; uses: number }>();
  #serial = 0;

  constructor(options: AccessOptions | undefined, origin: string) {
    this.#options = options;
    this.#origin = origin;
  }

  /** Refuses with a challenge where the credential is not good. */
  admits(request: IncomingMessage, response: ServerResponse, name: string): boolean {
    if (this.#options === undefined) return true;
    const {
      challenge,
      realm = `${this.#origin}/token`,
      usesPerToken = Number.POSITIVE_INFINITY,
    } = this.#options;
    const scope = `repository:${name}:pull`;
    const [kind, value = ''] = (request.headers.authorization ?? '').split(' ');
    if (challenge === 'basic') {
      if (kind === 'Basic' && value === this.#basic()) return true;
      response.writeHead(401, { 'www-authenticate': 'Basic realm="our registry"' });
    } else {
      const token = kind === 'Bearer' ? this.#tokens.get(value) : undefined;
      if (token !== undefined && token.uses < usesPerToken && (name === '' || token.scope === scope)) {
        token.uses += 1;
        return true;
      }
      const scoped = name === '' ? '' : `,scope="${scope}"`;
      response.writeHead(401, {
        'www-authenticate': `Bearer realm="${realm}",service="our registry"${scoped}`,
      });
    }
    response.end(JSON.stringify({ errors: [{ code: 'UNAUTHORIZED', message: 'authentication required' }] }));
    return false;
  }

  giveToken(request: IncomingMessage, response: ServerResponse, url: URL): void {
    const { user } = this.#options ?? {};
    const mayPull = user === undefined || request.headers.authorization === `Basic ${this.#basic()}`;
    if (!mayPull || url.searchParams.get('service') !== 'our registry') {
      response.writeHead(401).end('{"details":"incorrect username or password"}');
      return;
    }
    this.#serial += 1;
    const token = `token-${this.#serial}-of-our-registry`;
    this.#tokens.set(token, { scope: url.searchParams.get('scope') ?? '', uses: 0 });
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify({ token, expires_in: 300 }));
  }

  revoke(): void {
    this.#tokens.clear();
  }

  #basic(): string {
    return Buffer.from(`${this.#options?.user}:${this.#options?.password}`).toString('base64');
  }
}
