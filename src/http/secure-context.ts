import tls, { createSecureContext, rootCertificates, type SecureContext } from 'node:tls';
import type { NetworkSettings } from './network-settings.ts';

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
