import { BlockList, isIP } from 'node:net';
import type { NetworkSettings, ProxyAddress } from './network.ts';

/** The proxy that a request goes through; undefined if it goes straight to the host. */
export function proxyFor(network: NetworkSettings, url: URL): ProxyAddress | undefined {
  const proxy = url.protocol === 'https:' ? network.httpsProxy : network.httpProxy;
  return proxy === undefined || isExempt(network.noProxy, url) ? undefined : proxy;
}

/** `http://proxy.example:3128`: without user and password. */
export function proxyName(proxy: ProxyAddress): string {
  const { protocol, host } = new URL(proxy.url);
  return `${protocol}//${host}`;
}

/**
 * NO_PROXY as curl reads it: a list of names, each meaning the host and all below it, with or without a leading dot
 * or `*.`; a port behind it narrows it; `*` is everything; addresses may be a range (`10.0.0.0/8`).
 */
function isExempt(noProxy: string, url: URL): boolean {
  const host = plainHost(url);
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
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

/** Also what `--only-hosts` means by a name, except that there the hosts below it need a `*.` or a dot. */
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

/** `host:443`, `[::1]:443`, `::1`, `host`. */
export function splitPort(entry: string): { readonly name: string; readonly port: string | undefined } {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d{1,5}))?$/.exec(entry) ?? [];
  const name = bracketed ?? plain ?? entry;
  return { name: name.toLowerCase().replace(/\.$/, ''), port };
}
