import { connect as connectTcp, isIP, type OnReadOpts, type Socket } from 'node:net';
import tls, {
  type ConnectionOptions,
  connect as connectTls,
  createSecureContext,
  rootCertificates,
  type SecureContext,
} from 'node:tls';
import { onAbort } from '../system/on-abort.ts';
import type { Dialer } from './dialer.ts';
import { ResponseHeadParser } from './head-parser.ts';
import { networkError, noProxyThere, type Phase, proxyRefusal } from './network-error.ts';
import type { NetworkSettings, ProxyAddress } from './network-settings.ts';
import { proxyCredentials, proxyFor } from './proxy.ts';
import { portOf } from './url.ts';

export interface Connecting {
  /** Ends the attempt in any phase: closes its sockets and rejects with the signal's reason. */
  readonly signal: AbortSignal;
  /** Called when a phase begins. */
  readonly onPhase: (phase: Phase) => void;
  /** Called with the address of the host once it is connected; not called behind a proxy. */
  readonly onAddress?: (address: string | undefined) => void;
  /** Reads into the caller's buffer where Node can; otherwise the socket emits `data`. */
  readonly onread?: OnReadOpts | undefined;
}

/**
 * Makes connections that carry requests to a URL: directly, through a tunnel of a proxy (https), or to a proxy that
 * forwards requests (http). Every phase can be aborted, because the sockets are made here and not by Node's agents.
 */
export class Connector {
  readonly #network: NetworkSettings | undefined;
  readonly #dialer: Dialer;
  /** By host and port: the last TLS session, to resume it. */
  readonly #sessions = new Map<string, Buffer>();

  constructor(network: NetworkSettings | undefined, dialer: Dialer) {
    this.#network = network;
    this.#dialer = dialer;
  }

  /** The proxy for requests to this URL; undefined for none. USAGE for a kind of proxy that is not supported. */
  proxyOf(url: URL): ProxyAddress | undefined {
    return this.#network === undefined ? undefined : proxyFor(this.#network, url);
  }

  /**
   * A socket that takes a request to the URL; for http through a proxy, in absolute form. Rejects with a FetchError if
   * the proxy failed, else with the system error, or with the signal's reason if that aborts.
   */
  async connect(url: URL, connecting: Connecting): Promise<Socket> {
    const { signal, onPhase, onread } = connecting;
    const proxy = this.proxyOf(url);
    if (proxy === undefined) {
      return await this.#open(url, { lookUp: 'look-up', tcp: 'tcp', tls: 'tls' }, connecting);
    }
    let phase: Phase = 'proxy-look-up';
    const enter = (next: Phase) => {
      phase = next;
      onPhase(next);
    };
    try {
      const phases = { lookUp: 'proxy-look-up', tcp: 'proxy-tcp', tls: 'proxy-tls' } as const;
      const tunnels = url.protocol === 'https:';
      const way = await this.#open(new URL(proxy.url), phases, {
        signal,
        onPhase: enter,
        // The answer to CONNECT is read here, and TLS over an open socket cannot use such a buffer.
        onread: tunnels ? undefined : onread,
      });
      if (!tunnels) return way;
      enter('connect');
      await askForTunnel(way, url, proxy, signal);
      enter('tls');
      const secured = this.#secure(url, { socket: way });
      await reached(secured, 'secureConnect', signal);
      return secured;
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw networkError(error as Error, url, false, { phase, proxy });
    }
  }

  async #open(
    url: URL,
    phases: { readonly lookUp: Phase; readonly tcp: Phase; readonly tls: Phase },
    { signal, onPhase, onAddress, onread }: Connecting,
  ): Promise<Socket> {
    const secure = url.protocol === 'https:';
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const port = Number(portOf(url));
    onPhase(phases.lookUp);
    const socket = await this.#dialer.dial(
      { host, port },
      {
        signal,
        onProgress: () => onPhase(phases.tcp),
        open: ({ address, family }) => {
          const place = {
            host: address,
            port,
            family,
            noDelay: true,
            ...(onread === undefined ? {} : { onread }),
          };
          return secure ? this.#secure(url, place) : connectTcp(place);
        },
      },
    );
    onAddress?.(this.#dialer.addressOf(socket));
    if (!secure) return socket;
    onPhase(phases.tls);
    await reached(socket, 'secureConnect', signal);
    return socket;
  }

  #secure(url: URL, place: ConnectionOptions): Socket {
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const session = this.#sessions.get(url.host);
    const secureContext = secureContextOf(this.#network);
    return connectTls({
      ...place,
      // An IP address must not be sent as a server name (RFC 6066 3), but the certificate must be valid for it.
      ...(isIP(host) === 0 ? { servername: host } : { host }),
      ...(place.host === undefined ? {} : { host: place.host }),
      ALPNProtocols: ['http/1.1'],
      ...(session === undefined ? {} : { session }),
      ...(secureContext === undefined ? {} : { secureContext }),
      ...(this.#network?.insecure === true ? { rejectUnauthorized: false } : {}),
    }).on('session', (made: Buffer) => this.#sessions.set(url.host, made));
  }
}

/** Asks a proxy for a tunnel and reads the head of its answer. Bytes behind it stay in the socket: the tunnel's. */
function askForTunnel(socket: Socket, url: URL, proxy: ProxyAddress, signal: AbortSignal): Promise<void> {
  const target = `${url.hostname}:${url.port || 443}`;
  const lines = [`CONNECT ${target} HTTP/1.1`, `Host: ${target}`, 'Proxy-Connection: keep-alive'];
  const credentials = proxyCredentials(proxy);
  if (credentials !== undefined) lines.push(`Proxy-Authorization: ${credentials}`);
  const parser = new ResponseHeadParser({ toConnect: true });
  const answered = new Promise<void>((resolve, reject) => {
    const onData = (chunk: Buffer) => {
      const progress = parser.push(chunk);
      if (progress.kind === 'more') return;
      socket.off('data', onData);
      socket.pause();
      if (progress.kind === 'unsupported') {
        reject(noProxyThere(url, proxy, progress.why));
        return;
      }
      const { status } = progress.head;
      if (status < 200 || status > 299) {
        reject(proxyRefusal(url, status, proxy));
        return;
      }
      const rest = chunk.subarray(progress.bodyStart);
      if (rest.length > 0) socket.unshift(rest);
      resolve();
    };
    socket.on('data', onData);
  });
  socket.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  return unlessEnded(socket, answered, signal);
}

function reached(socket: Socket, event: 'secureConnect', signal: AbortSignal): Promise<void> {
  return unlessEnded(socket, new Promise<void>((resolve) => socket.once(event, () => resolve())), signal);
}

/** Waits for `moment`. An error, a close or an abort before it destroys the socket and is thrown. */
async function unlessEnded(socket: Socket, moment: Promise<void>, signal: AbortSignal): Promise<void> {
  let stopListening = () => {};
  const ended = new Promise<never>((_, reject) => {
    const onError = (error: Error) => reject(error);
    const onClose = () => reject(new Error('the connection was closed'));
    socket.once('error', onError).once('close', onClose);
    const stop = onAbort(signal, () => reject(signal.reason));
    stopListening = () => {
      stop();
      socket.off('error', onError).off('close', onClose);
    };
    if (signal.aborted) reject(signal.reason);
    else if (socket.destroyed) onClose();
  });
  try {
    await Promise.race([moment, ended]);
  } catch (error) {
    // Without a listener a later error of this socket would end the process.
    socket.on('error', () => {});
    socket.destroy();
    throw error;
  } finally {
    stopListening();
  }
}

const secureContexts = new WeakMap<NetworkSettings, SecureContext>();

/** The trusted authorities, if there are more than Node's own. Made once for each network: reading them is slow. */
function secureContextOf(network: NetworkSettings | undefined): SecureContext | undefined {
  if (network === undefined || network.certificates.length === 0) return undefined;
  let context = secureContexts.get(network);
  if (context === undefined) {
    // From 22.15 on Node tells which authorities it trusts, including the system's if it is told to.
    const { getCACertificates } = tls as { getCACertificates?: (kind: 'default') => string[] };
    const own = getCACertificates?.('default') ?? rootCertificates;
    // Reading one takes 0.2 ms, and most of a system's list is in Node's own.
    const all = new Set([...own, ...network.certificates].map((certificate) => certificate.trim()));
    context = createSecureContext({ ca: [...all] });
    secureContexts.set(network, context);
  }
  return context;
}
