import type { NetworkSettings, ProxyAddress } from '../http/network-settings.ts';
import { usage } from '../model/error.ts';

type Variables = Readonly<Record<string, string | undefined>>;

export interface NetworkSources {
  /** The variables at the start of the process: Node has read some of them then. */
  readonly variables: Variables;
  /** Value of `--only-hosts`. */
  readonly onlyHosts: string | undefined;
  /** Undefined if it cannot be read. */
  readonly readFile: (path: string) => string | undefined;
}

/** Variables of other programs that name a file with certificates. */
const CERTIFICATE_FILES = ['SSL_CERT_FILE', 'REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE'] as const;

/**
 * Proxies, authorities and allowed hosts; undefined if none of them is set. Throws USAGE, naming the variable. A
 * proxy of an unsupported kind is refused only when it would be used.
 */
export function readNetwork(sources: NetworkSources): NetworkSettings | undefined {
  const { variables, onlyHosts } = sources;
  const all = readProxy(variables, 'ALL_PROXY');
  const httpsProxy = readProxy(variables, 'HTTPS_PROXY') ?? all;
  const httpProxy = readProxy(variables, 'HTTP_PROXY') ?? all;
  const hosts = onlyHosts?.split(/[\s,]+/).filter((entry) => entry !== '');
  if (hosts?.length === 0)
    throw usage('--only-hosts takes a list of hosts.', 'Write it as HOST,HOST,*.DOMAIN.');
  const network: NetworkSettings = {
    httpsProxy,
    httpProxy,
    noProxy: variables['no_proxy'] || variables['NO_PROXY'] || '',
    certificates: readCertificates(sources),
    onlyHosts: hosts,
    ...(variables['NODE_TLS_REJECT_UNAUTHORIZED'] === '0' ? { insecure: true } : {}),
  };
  if (network.insecure === true) return network;
  const plain = !httpsProxy && !httpProxy && network.certificates.length === 0 && hosts === undefined;
  return plain ? undefined : network;
}

/** The lower-case variable wins, as in curl and Python; an empty one means no proxy. */
function readProxy(
  variables: Variables,
  name: 'HTTPS_PROXY' | 'HTTP_PROXY' | 'ALL_PROXY',
): ProxyAddress | undefined {
  const lower = name.toLowerCase();
  const origin = variables[lower] === undefined ? name : lower;
  const text = variables[origin]?.trim();
  if (!text) return undefined;
  return { url: normalized(text.includes('://') ? text : `http://${text}`, origin), origin };
}

/**
 * Percent-encodes user and password, which are often written literally, with `@ # / : \` in them. Accepts every kind of
 * proxy. The value may hold a password: keep it out of messages.
 */
function normalized(text: string, origin: string): string {
  const [, scheme = '', user, host = ''] = /^([a-z][a-z0-9+.-]*):\/\/(?:(.*)@)?(.*)$/is.exec(text) ?? [];
  const [, name = '', password] = /^([^:]*)(?::(.*))?$/s.exec(user ?? '') ?? [];
  const login = user === undefined ? '' : `${encoded(name)}:${encoded(password ?? '')}@`;
  const url = `${scheme.toLowerCase()}://${login}${host}`;
  if (!URL.canParse(url))
    throw usage(`${origin} is not the address of a proxy.`, 'Write it as http://HOST:PORT.');
  const { hostname } = new URL(url);
  if (hostname === '')
    throw usage(`${origin} is not the address of a proxy.`, 'Write it as http://HOST:PORT.');
  return url;
}

/** Percent-encoded once, whether it was before or not. */
function encoded(text: string): string {
  let plain = text;
  try {
    plain = decodeURIComponent(text);
  } catch {
    // An invalid percent-encoding is taken literally.
  }
  return encodeURIComponent(plain);
}

/** Node itself reads NODE_EXTRA_CA_CERTS at its start; together with other files it must be read here too. */
function readCertificates({ variables, readFile }: NetworkSources): string[] {
  const own = variables['NODE_EXTRA_CA_CERTS'];
  const named = new Map<string, string>();
  for (const name of CERTIFICATE_FILES) {
    const path = variables[name];
    if (path && path !== own && !named.has(path)) named.set(path, name);
  }
  if (named.size === 0) return [];
  if (own) named.set(own, 'NODE_EXTRA_CA_CERTS');
  const certificates = new Set<string>();
  for (const [path, name] of named) {
    const text = readFile(path);
    const found = text?.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? undefined;
    if (found === undefined) {
      const what = text === undefined ? 'cannot be read' : 'holds no certificate (PEM)';
      throw usage(
        `${name}: the file ${path} ${what}.`,
        'Name a file of certificates (PEM) that can be read, or unset the variable.',
      );
    }
    for (const certificate of found) certificates.add(certificate);
  }
  return [...certificates];
}
