import { HttpClient } from '../../http/client.ts';
import { Dialer } from '../../http/dialer.ts';
import type { ContactedHost } from '../../http/host-policy.ts';
import { redactUrl } from '../../http/url.ts';
import type { Clock } from '../../system/clock.ts';
import { AdaptiveTransport } from './adaptive-transport.ts';
import { FileTransport } from './file-transport.ts';
import { MemoryTransport } from './memory-transport.ts';
import { NodeHttpTransport } from './node-http-transport.ts';
import { RateLimiter } from './rate-limiter.ts';
import { SocketTransport } from './socket/socket-transport.ts';
import type { Transport, Transports } from './transport.ts';
import type { TransportSetup } from './worker/transport-messages.ts';
import { XetTransport } from './xet/xet-transport.ts';

/** The transports of one thread, one for each kind of location. `trace` receives a line for each request. */
export function createTransport(
  setup: TransportSetup,
  clock: Clock,
  trace: (message: string) => void,
  onContact: (contact: ContactedHost) => void = () => {},
): Transport {
  const { http, xet } = createNetworkTransports(setup, clock, trace, onContact);
  const transports = {
    http,
    xet,
    file: new FileTransport(),
    memory: new MemoryTransport(),
  } satisfies Transports;
  return {
    bring: (job, observer, signal) => {
      // `Transports` pairs each kind with its transport, which a look-up by kind does not tell the compiler.
      const transport: Transport = transports[job.location.kind];
      return transport.bring(job, observer, signal);
    },
    // They share one dialer.
    elsewhere: () => http.elsewhere?.(),
  };
}

function createNetworkTransports(
  { userAgent, settings }: TransportSetup,
  clock: Clock,
  trace: (message: string) => void,
  onContact: (contact: ContactedHost) => void,
): Pick<Transports, 'http' | 'xet'> {
  const { stallTimeoutMs, bytesPerSecond, network, transport: choice } = settings;
  const limiter = bytesPerSecond === undefined ? undefined : new RateLimiter(bytesPerSecond, clock);
  // Shared, so that both transports know the same about addresses.
  const dialer = new Dialer({ clock });
  const http = new HttpClient({
    userAgent,
    stallTimeoutMs,
    clock,
    network,
    onContact,
    dialer,
    trace: (sent, status, elapsedMs) => {
      const range = sent.headers?.['range'] ?? '';
      trace(`GET ${redactUrl(sent.url)} ${range}: ${status ?? 'failed'}, ${Math.round(elapsedMs)} ms`);
    },
  });
  const core = new NodeHttpTransport(http, clock, limiter);
  if (choice === 'core') return { http: core, xet: new XetTransport(http, clock, { limiter }) };
  const raw = new SocketTransport({
    userAgent,
    stallTimeoutMs,
    clock,
    limiter,
    trace,
    network,
    onContact,
    dialer,
  });
  const xet = new XetTransport(http, clock, { limiter, raw });
  return { http: new AdaptiveTransport(core, raw, { trustAll: choice === 'raw', clock, trace }), xet };
}
