import { expect, test } from 'vitest';
import { HostPolicy } from '../../../src/http/host-policy.ts';
import type { NetworkSettings } from '../../../src/http/network-settings.ts';
import { forwarding, proxyCredentials, proxyFor } from '../../../src/http/proxy.ts';
import { readNetwork } from '../../../src/operations/network-settings.ts';

const network = (changes: Partial<NetworkSettings>): NetworkSettings => ({
  httpsProxy: { url: 'http://proxy:1', origin: 'HTTPS_PROXY' },
  httpProxy: undefined,
  noProxy: '',
  certificates: [],
  onlyHosts: undefined,
  ...changes,
});

test.each([
  ['', 'https://hub.example/', true],
  ['*', 'https://hub.example/', false],
  ['hub.example', 'https://hub.example/', false],
  ['hub.example', 'https://cdn.hub.example/', false],
  ['hub.example', 'https://xhub.example/', true],
  ['.hub.example', 'https://hub.example/', false],
  ['*.hub.example', 'https://cdn.hub.example/', false],
  ['HUB.Example.', 'https://hub.example/', false],
  ['hub.example:443', 'https://hub.example/', false],
  ['hub.example:8443', 'https://hub.example/', true],
  ['other, hub.example', 'https://hub.example/', false],
  ['other hub.example', 'https://hub.example/', false],
  ['10.0.0.0/8', 'https://10.1.2.3/', false],
  ['10.0.0.0/8', 'https://11.1.2.3/', true],
  ['10.0.0.0/99', 'https://10.1.2.3/', true],
  ['::1', 'https://[::1]/', false],
  ['[::1]:443', 'https://[::1]/', false],
  ['fd00::/8', 'https://[fd00::5]/', false],
  ['127.0.0.1', 'https://1.127.0.0.1.example/', true],
])('NO_PROXY=%s, %s: through the proxy is %s', (noProxy, url, expected) => {
  expect(proxyFor(network({ noProxy }), new URL(url)) !== undefined).toBe(expected);
});

test('each scheme has its own proxy', () => {
  expect(proxyFor(network({}), new URL('http://hub.example/'))).toBeUndefined();
});

test.each([
  ['hub.example', 'https://hub.example/', true],
  ['hub.example', 'https://hub.example:8443/', true],
  ['hub.example', 'https://cdn.hub.example/', false],
  ['*.hub.example', 'https://cdn.hub.example/', true],
  ['.hub.example', 'https://cdn.hub.example/', true],
  ['*.hub.example', 'https://hub.example/', false],
  ['*.hub.example', 'https://evilhub.example/', false],
  ['hub.example:443', 'https://hub.example/', true],
  ['hub.example:80', 'https://hub.example/', false],
  ['hub.example', 'https://hub.example.evil/', false],
])('--only-hosts %s, %s: allowed is %s', (entry, url, allowed) => {
  const admit = () => new HostPolicy(network({ onlyHosts: [entry] })).admit(new URL(url));
  if (allowed) expect(admit).not.toThrow();
  else expect(admit).toThrow('may not be contacted');
});

const read = (variables: Record<string, string>) =>
  readNetwork({ variables, onlyHosts: undefined, readFile: () => undefined });
const through = (variables: Record<string, string>, url: string) => {
  const settings = read(variables);
  return settings === undefined ? undefined : proxyFor(settings, new URL(url))?.url;
};

test.each([
  // hiyouga/LlamaFactory#8928
  [
    { https_proxy: 'http://p:1', http_proxy: 'http://p:1', all_proxy: 'socks5://p:2' },
    'https://hub.example/',
    'http://p:1',
  ],
  [{ https_proxy: 'http://p:1', all_proxy: 'socks5://p:2' }, 'https://hub.example/', 'http://p:1'],
  [{ http_proxy: 'http://p:1', ALL_PROXY: 'socks5h://p:2' }, 'http://hub.example/', 'http://p:1'],
  [{ all_proxy: 'socks5://p:2', NO_PROXY: 'hub.example' }, 'https://hub.example/', undefined],
  [{ all_proxy: 'socks4://p:2', no_proxy: '*' }, 'http://hub.example/', undefined],
])('SOCKS that is not used does no harm: %j, %s', (variables, url, expected) => {
  expect(through(variables, url)).toBe(expected);
});

test.each([
  [
    { all_proxy: 'socks5://me:geheim@p:2' },
    'https://hub.example/',
    /^all_proxy names a socks5 proxy for hub\.example;/,
  ],
  [
    { https_proxy: 'http://p:1', ALL_PROXY: 'socks5://p:2' },
    'http://hub.example/',
    /^ALL_PROXY names a socks5 proxy/,
  ],
  [
    { HTTPS_PROXY: 'socks5h://p:2', NO_PROXY: 'other' },
    'https://hub.example/',
    /^HTTPS_PROXY names a socks5h proxy/,
  ],
])('SOCKS that would be used is refused: %j, %s', (variables, url, message) => {
  const refused = () => through(variables, url);
  expect(refused).toThrow(message);
  expect(refused).toThrow(
    expect.objectContaining({ code: 'USAGE', hint: expect.stringContaining('NO_PROXY') }),
  );
  expect(refused).not.toThrow('geheim');
});

test.each([
  ['http://user:p@ss@proxy:3128', 'user:p@ss', 'proxy:3128'],
  ['http://user:p%40ss@proxy:3128', 'user:p@ss', 'proxy:3128'],
  ['http://user:a#b/c:d\\e@proxy:3128', 'user:a#b/c:d\\e', 'proxy:3128'],
  ['http://user:a%23b%2Fc%3Ad%5Ce@proxy:3128', 'user:a#b/c:d\\e', 'proxy:3128'],
  ['http://DOMAIN\\me:50%!@proxy:3128', 'DOMAIN\\me:50%!', 'proxy:3128'],
  ['user:pass@proxy', 'user:pass', 'proxy'],
  ['HTTPS://user@[::1]:8', 'user:', '[::1]:8'],
])('user and password of %s', (address, login, host) => {
  const proxy = read({ HTTPS_PROXY: address })?.httpsProxy;
  if (proxy === undefined) throw new Error('no proxy');
  const sent = proxyCredentials(proxy)?.replace('Basic ', '') ?? '';
  expect(Buffer.from(sent, 'base64').toString()).toBe(login);
  expect(new URL(proxy.url).host).toBe(host);
});

test.each(['http://', 'http://user:pass@', 'http://ho st:1', 'http://host:port'])(
  '%j is no proxy',
  (address) => {
    expect(() => read({ HTTPS_PROXY: address })).toThrow('HTTPS_PROXY is not the address of a proxy.');
  },
);

test('only a proxy that forwards is told the whole address and its credentials', () => {
  const proxy = { url: 'http://me:p%40ss@proxy:3128', origin: 'HTTP_PROXY' };
  expect(forwarding(new URL('http://host:8080/a?b'), proxy)).toEqual({
    prefix: 'http://host:8080',
    headers: { 'Proxy-Authorization': `Basic ${Buffer.from('me:p@ss').toString('base64')}` },
  });
  const unnamed = { url: 'http://proxy:3128', origin: 'HTTP_PROXY' };
  expect(forwarding(new URL('http://host/'), unnamed)).toEqual({ prefix: 'http://host', headers: {} });
  expect(forwarding(new URL('https://host/'), proxy)).toEqual({ prefix: '', headers: {} });
  expect(forwarding(new URL('http://host/'), undefined)).toEqual({ prefix: '', headers: {} });
});
