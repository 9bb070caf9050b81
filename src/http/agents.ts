import type { Agent } from 'node:http';
import tls, { createSecureContext, rootCertificates, type SecureContext } from 'node:tls';
import type { Dialer } from './dialer.ts';
import { DialingHttpAgent, DialingHttpsAgent } from './dialing-agents.ts';
import { hasProxy, type NetworkSettings, type ProxyAddress } from './network.ts';
import { proxyFor } from './proxy.ts';

/** An idle connection is closed after so long: a server that counts connections may want it for another thread. */
const IDLE_MS = 2000;
/** The newest idle connection is the least likely to have been closed by the other side. */
const KEPT = { keepAlive: true, maxFreeSockets: 64, scheduling: 'lifo', timeout: IDLE_MS } as const;

/** The connections of one client: direct ones, and those through proxies, kept alive and shared. */
export class Agents {
  readonly #network: NetworkSettings | undefined;
  readonly #http: Agent;
  readonly #https: Agent;
  readonly #proxied = new Map<string, Promise<Agent>>();

  constructor(network: NetworkSettings | undefined, dialer: Dialer) {
    this.#network = network;
    this.#http = new DialingHttpAgent(KEPT, dialer);
    this.#https = new DialingHttpsAgent(KEPT, dialer);
  }

  /** What a request to this URL goes through. A promise only where a proxy is in the way. */
  for(url: URL): Agent | Promise<Agent> {
    const network = this.#network;
    const proxy = network !== undefined && hasProxy(network) ? proxyFor(network, url) : undefined;
    if (proxy !== undefined) return this.#through(proxy, url.protocol);
    return url.protocol === 'https:' ? this.#https : this.#http;
  }

  close(): void {
    this.#http.destroy();
    this.#https.destroy();
    for (const agent of this.#proxied.values()) void agent.then((opened) => opened.destroy()).catch(() => {});
  }

  #through(proxy: ProxyAddress, protocol: string): Promise<Agent> {
    const key = `${protocol} ${proxy.url}`;
    const known = this.#proxied.get(key);
    if (known !== undefined) return known;
    // A proxy that is spoken to over TLS may be signed by the same authority as the rest.
    const secure = protocol === 'https:' || proxy.url.startsWith('https:');
    const secureContext = secure ? secureContextOf(this.#network) : undefined;
    const options = { ...KEPT, ...(secureContext === undefined ? {} : { secureContext }) };
    const opened = openProxied(protocol, proxy, options);
    this.#proxied.set(key, opened);
    return opened;
  }
}

/** Loaded here, so that only those who have a proxy pay for it. Through a tunnel for https, as a request for http. */
async function openProxied(protocol: string, { url }: ProxyAddress, options: object): Promise<Agent> {
  if (protocol === 'https:') {
    const { HttpsProxyAgent } = await import('https-proxy-agent');
    return new HttpsProxyAgent(url, options);
  }
  const { HttpProxyAgent } = await import('http-proxy-agent');
  return new HttpProxyAgent(url, options);
}

const contexts = new WeakMap<NetworkSettings, SecureContext>();

/** The authorities that count, where there are more than Node's own. Made once: reading all of them takes a while. */
export function secureContextOf(network: NetworkSettings | undefined): SecureContext | undefined {
  if (network === undefined || network.certificates.length === 0) return undefined;
  let context = contexts.get(network);
  if (context === undefined) {
    // Newer versions of Node tell what they really trust, the system's authorities included if asked to.
    const { getCACertificates } = tls as { getCACertificates?: (kind: 'default') => string[] };
    const own = getCACertificates?.('default') ?? rootCertificates;
    // Each takes a fifth of a millisecond to read, and most lists of a system are Node's own.
    const all = new Set([...own, ...network.certificates].map((certificate) => certificate.trim()));
    context = createSecureContext({ ca: [...all] });
    contexts.set(network, context);
  }
  return context;
}
