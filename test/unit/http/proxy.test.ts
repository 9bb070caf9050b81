import { expect, test } from 'vitest';
import { HostPolicy } from '../../../src/http/host-policy.ts';
import type { NetworkSettings } from '../../../src/http/network.ts';
import { proxyFor } from '../../../src/http/proxy.ts';

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
