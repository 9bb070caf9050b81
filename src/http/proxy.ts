import { BlockList, isIP } from 'node:net';
import { FetchError } from '../model/error.ts';
import type { NetworkSettings, ProxyAddress } from './network-settings.ts';
import { portOf } from './url.ts';

interface Forwarding {
  readonly prefix: string;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * The proxy for a request; undefined for a direct connection. Throws USAGE for an unsupported kind of proxy: only when
 * one is needed, because a SOCKS proxy may be set for other programs or other hosts.
 */
export function proxyFor(network: NetworkSettings, url: URL): ProxyAddress | undefined {
  const proxy = url.protocol === 'https:' ? network.httpsProxy : network.httpProxy;
  if (proxy === undefined || isExempt(network.noProxy, url)) return undefined;
  const { protocol } = new URL(proxy.url);
  if (protocol === 'http:' || protocol === 'https:') return proxy;
  throw new FetchError(
    'USAGE',
    `${proxy.origin} names a ${protocol.slice(0, -1)} proxy for ${url.host}; only http and https proxies are supported.`,
    {
      hint: `Unset it for this command, name an HTTP proxy in ${url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY'}, or add ${url.host} to NO_PROXY.`,
    },
  );
}

/**
 * What a request to this URL needs if a proxy forwards it, which is only so for `http:`: the whole address before the path
 * (RFC 9112 3.2.2), and the credentials of the proxy. Empty for a tunnel and without a proxy.
 */
export function forwarding(url: URL, proxy: ProxyAddress | undefined): Forwarding {
  if (proxy === undefined || url.protocol !== 'http:') return { prefix: '', headers: {} };
  const credentials = proxyCredentials(proxy);
  return {
    prefix: url.origin,
    headers: credentials === undefined ? {} : { 'Proxy-Authorization': credentials },
  };
}

/** Value of `Proxy-Authorization`; undefined if the address has no user. Send it to the proxy only. */
export function proxyCredentials(proxy: ProxyAddress): string | undefined {
  const { username, password } = new URL(proxy.url);
  if (username === '' && password === '') return undefined;
  const text = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(text, 'utf8').toString('base64')}`;
}

/** `http://proxy.example:3128`: without user and password. */
export function proxyName(proxy: ProxyAddress): string {
  const { protocol, host } = new URL(proxy.url);
  return `${protocol}//${host}`;
}

/**
 * NO_PROXY as curl reads it: a list of names, each for the host and all below it, with or without a leading dot or
 * `*.`; a port after the name narrows it; `*` is every host; addresses may be a range (`10.0.0.0/8`).
 */
function isExempt(noProxy: string, url: URL): boolean {
  const host = plainHost(url);
  const port = portOf(url);
  return noProxy
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => entry === '*' || inRange(entry, host) || nameMatches(entry, host, port));
}

function inRange(entry: string, host: string): boolean {
  const [, network = '', bits = ''] = /^([0-9a-fA-F.:]+)\/(\d{1,3})$/.exec(entry) ?? [];
  const family = isIP(network) === 6 ? 'ipv6' : 'ipv4';
  if (isIP(network) === 0 || isIP(network) !== isIP(host)) return false;
  if (Number(bits) > (family === 'ipv6' ? 128 : 32)) return false;
  const list = new BlockList();
  list.addSubnet(network, Number(bits), family);
  return list.check(host, family);
}

/** As in `--only-hosts`, except that there only a name with a leading `*.` or dot covers the hosts below it. */
function nameMatches(entry: string, host: string, port: string): boolean {
  const { name, port: wanted } = splitPort(entry);
  if (wanted !== undefined && wanted !== port) return false;
  const bare = name.replace(/^\*?\./, '');
  return bare !== '' && (host === bare || (isIP(host) === 0 && host.endsWith(`.${bare}`)));
}

/** Lower case, without the brackets of an IPv6 address and without a final dot. */
export function plainHost(url: URL): string {
  return url.hostname
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '');
}

/** Whether a URL is on this machine: its traffic does not leave it. */
export function isLoopback(url: URL): boolean {
  return /^(localhost|127\.[\d.]+|::1)$/.test(plainHost(url));
}

/** Splits `host:443`, `[::1]:443`, `::1` or `host`. */
export function splitPort(entry: string): { readonly name: string; readonly port: string | undefined } {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d{1,5}))?$/.exec(entry) ?? [];
  const name = bracketed ?? plain ?? entry;
  return { name: name.toLowerCase().replace(/\.$/, ''), port };
}
