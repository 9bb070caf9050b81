import { Dialer } from '../http/dialer.ts';
import type { Contact } from '../http/host-policy.ts';
import { hasProxy } from '../http/network.ts';
import { HttpClient } from '../http/request.ts';
import { redactUrl } from '../http/url.ts';
import type { Clock } from '../system/clock.ts';
import { ChoosingTransport } from './choosing-transport.ts';
import { CoreTransport } from './core-transport.ts';
import type { IoSettings } from './io-messages.ts';
import { RateLimiter } from './rate-limiter.ts';
import { RawTransport } from './raw-transport.ts';
import type { Transport } from './transport.ts';

/** The transports of one thread, as the settings ask for them. `trace` is told of requests. */
export function createTransport(
  settings: IoSettings,
  clock: Clock,
  trace: (message: string) => void,
  onContact: (contact: Contact) => void = () => {},
): Transport {
  const { userAgent, stallTimeoutMs, bytesPerSecond, network } = settings;
  // The strict transport makes its own connections and knows nothing of proxies.
  const choice = hasProxy(network) ? 'core' : settings.choice;
  const limiter = bytesPerSecond === undefined ? undefined : new RateLimiter(bytesPerSecond, clock);
  // One for both: what one of them learns of an address, the other knows.
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
  const core = new CoreTransport(http, clock, limiter);
  if (choice === 'core') return core;
  const raw = new RawTransport({
    userAgent,
    stallTimeoutMs,
    clock,
    limiter,
    trace,
    network,
    onContact,
    dialer,
  });
  return new ChoosingTransport(core, raw, { trustAll: choice === 'raw', clock, trace });
}
