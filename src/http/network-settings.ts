/** A proxy and which variable named it. The address may hold a password: never print it, print `proxyName`. */
export interface ProxyAddress {
  /** With scheme, and user and password percent-encoded where there are any. */
  readonly url: string;
  /** Name of the variable that it came from. */
  readonly origin: string;
}

/** How connections are made. Plain data, so that it can be sent to other threads. */
export interface NetworkSettings {
  /** For targets with `https:`; undefined for no proxy. */
  readonly httpsProxy: ProxyAddress | undefined;
  /** For targets with `http:`. */
  readonly httpProxy: ProxyAddress | undefined;
  /** Hosts that are reached without a proxy, as NO_PROXY lists them. */
  readonly noProxy: string;
  /** Certificates of authorities (PEM) that count beside those that Node trusts. */
  readonly certificates: readonly string[];
  /** The only hosts that may be contacted; undefined for any. Proxies do not count. */
  readonly onlyHosts: readonly string[] | undefined;
  /** Whatever certificate a server shows is taken: `NODE_TLS_REJECT_UNAUTHORIZED=0`, as Node itself understands it. */
  readonly insecure?: boolean;
}

/** The variable that switches the checking of certificates off, with this value. */
export const UNCHECKED_TLS = 'NODE_TLS_REJECT_UNAUTHORIZED=0';
