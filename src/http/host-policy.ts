import { FetchError } from '../model/error.ts';
import type { NetworkSettings } from './network-settings.ts';
import { plainHost, proxyFor, proxyName, splitPort } from './proxy.ts';
import { portOf } from './url.ts';

/** A host that was contacted, and the proxy on the way to it. */
export interface ContactedHost {
  /** With the port if it is not the default one. */
  readonly host: string;
  /** Without user and password; undefined for a direct connection. */
  readonly proxy: string | undefined;
}

/** Decides which hosts may be contacted, and remembers which were. */
export class HostPolicy {
  readonly #network: NetworkSettings | undefined;
  readonly #onContact: ((contact: ContactedHost) => void) | undefined;
  readonly #contacted = new Set<string>();

  constructor(network?: NetworkSettings, onContact?: (contact: ContactedHost) => void) {
    this.#network = network;
    this.#onContact = onContact;
  }

  /** Call it before every request. Throws ACCESS for a host that is not on the list. */
  admit(url: URL): void {
    const allowed = this.#network?.onlyHosts;
    if (allowed !== undefined && !isAllowed(url, allowed)) throw notAllowed(url, allowed);
    if (this.#contacted.has(url.origin)) return;
    this.#contacted.add(url.origin);
    const proxy = this.#network === undefined ? undefined : proxyFor(this.#network, url);
    this.#onContact?.({ host: url.host, proxy: proxy === undefined ? undefined : proxyName(proxy) });
  }
}

/** Whether a list of hosts has the host of a URL; undefined allows all. */
export function isAllowed(url: URL, allowed: readonly string[] | undefined): boolean {
  return allowed === undefined || allowed.some((entry) => means(entry, url));
}

/** `host`, `host:port`, or `*.host` (also `.host`) for all below it. */
function means(entry: string, url: URL): boolean {
  const { name, port } = splitPort(entry);
  const host = plainHost(url);
  if (port !== undefined && port !== portOf(url)) return false;
  return /^\*?\./.test(name) ? host.endsWith(name.replace(/^\*/, '')) : host === name;
}

function notAllowed(url: URL, allowed: readonly string[]): FetchError {
  return new FetchError('ACCESS', `${url.host} may not be contacted: only ${allowed.join(', ')} may`, {
    hint: `If this host is right, add it: --only-hosts ${[...allowed, url.host].join(',')}`,
  });
}
