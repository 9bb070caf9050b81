/** A proxy, and the variable that named it. The address may hold a password: print `proxyName` instead. */
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
  /** Certificates of authorities (PEM) that are trusted besides Node's own. */
  readonly certificates: readonly string[];
  /** The only hosts that may be contacted; undefined for any. Proxies need not be listed. */
  readonly onlyHosts: readonly string[] | undefined;
  /** Accept any certificate: `NODE_TLS_REJECT_UNAUTHORIZED=0`, as in Node itself. */
  readonly insecure?: boolean;
}

/** The variable and value that switch the checking of certificates off. */
export const UNCHECKED_TLS = 'NODE_TLS_REJECT_UNAUTHORIZED=0';
