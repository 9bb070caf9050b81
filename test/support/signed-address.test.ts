import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Answer, ask } from './ask.ts';
import { bigFile } from './hub/fixtures/odd.ts';
import { type Hub, startHub } from './hub/hub.ts';

const SIZE = 200_000;
const PATH = '/tests/big-file/resolve/main/model.bin';

let hub: Hub;

beforeAll(async () => {
  hub = await startHub({
    repositories: [bigFile(SIZE)],
    tokens: [{ token: 'hf_reader', user: 'reader', access: 'all' }],
  });
});

afterAll(() => hub.close());

async function resolve(method: string, headers: Record<string, string> = {}): Promise<string> {
  const answer = await ask(`${hub.origin}${PATH}`, { method, headers });
  expect(answer.status).toBe(302);
  return answer.headers.location ?? '';
}

const part = (address: string, range: string): Promise<Answer> => ask(address, { headers: { Range: range } });
const told = ({ status, text }: Answer): [number, string] => [status, text];
const names = (address: string): string[] => [...new URL(address).searchParams.keys()];

describe.each(['HEAD', 'GET'])('an address by %s', (method) => {
  test('without Range is good for every range at once and for none', async () => {
    const address = await resolve(method);
    const ranges = ['bytes=0-9', 'bytes=100000-', 'bytes=-5', 'bytes=7-7'];
    const parts = await Promise.all(ranges.map((range) => part(address, range)));
    expect(parts.map(({ status }) => status)).toEqual([206, 206, 206, 206]);
    expect((await ask(address)).body.length).toBe(SIZE);
  });

  test('with Range is good for exactly that range', async () => {
    const address = await resolve(method, { Range: 'bytes=10-19' });
    const refusal = [403, 'Auth failed: invalid range'];
    expect((await part(address, 'bytes=10-19')).body.length).toBe(10);
    for (const other of ['bytes=10-18', 'bytes=20-29', 'bytes=10-', 'bytes=0-'])
      expect(told(await part(address, other))).toEqual(refusal);
    const none = await ask(address);
    expect(told(none)).toEqual(refusal);
    expect(none.headers['content-type']).toMatch(/^text\/plain/);
    expect((await part(address, 'bytes=10-19')).status).toBe(206);
  });

  test('with Range is good for all where the hub is lenient', async () => {
    hub.settings.bindRanges = false;
    const address = await resolve(method, { Range: 'bytes=0-0' });
    hub.settings.bindRanges = true;
    expect((await part(address, 'bytes=10-19')).status).toBe(206);
  });
});

test('the range stands in the policy, beside the whole address in the order it has', async () => {
  const read = (address: string): unknown => {
    const policy = new URL(address).searchParams.get('Policy') ?? '';
    const base64 = policy.replaceAll('-', '+').replaceAll('_', '=').replaceAll('~', '/');
    return JSON.parse(Buffer.from(base64, 'base64').toString('utf8'));
  };
  for (const range of [undefined, 'bytes=3-4']) {
    const address = await resolve('HEAD', range === undefined ? {} : { Range: range });
    const [signed = ''] = address.split('&Expires=');
    const Condition = {
      DateLessThan: { EpochTime: Number(new URL(address).searchParams.get('Expires')) },
      ...(range === undefined ? {} : { ByteRange: { ExpectedHeader: range } }),
    };
    expect(read(address)).toEqual({ Statement: [{ Resource: signed.replace('?', '\\?'), Condition }] });
  }
});

test('the query has the names and the order of the recorded ones, and says who asked', async () => {
  const address = await resolve('HEAD');
  expect(names(address)).toEqual([
    'response-content-disposition',
    'xip',
    'user_id',
    'X-Xet-Cas-Uid',
    'Expires',
    'Policy',
    'Signature',
    'Key-Pair-Id',
    'Hash-Algorithm',
  ]);
  const { searchParams } = new URL(address);
  expect(searchParams.get('user_id')).toBe('public');
  expect(searchParams.get('xip')).toMatch(/^[\w-]{11}$/);
  expect(searchParams.get('Hash-Algorithm')).toBe('SHA256');
  expect(address).toContain('response-content-disposition=inline%3B+filename%2A%3DUTF-8%27%27model.bin');
  const known = new URL(await resolve('HEAD', { Authorization: 'Bearer hf_reader' }));
  expect(known.searchParams.get('user_id')).toMatch(/^[0-9a-f]{24}$/);
});

describe('the signature', () => {
  const RESOURCE = [403, 'Auth failed: SignatureError: resource does not match the policy'];
  const SIGNATURE = [403, 'Auth failed: SignatureError: signature does not match'];
  const KEY = [403, 'Auth failed: SignatureError: invalid key pair id'];

  const changes: [string, (address: string) => string, (number | string)[]][] = [
    ['a parameter more', (address) => address.replace('&Expires=', '&download=true&Expires='), RESOURCE],
    ['a parameter more at the end', (address) => `${address}&download=true`, SIGNATURE],
    ['a parameter less', (address) => address.replace('&user_id=public', ''), RESOURCE],
    ['another value', (address) => address.replace('&user_id=public', '&user_id=private'), RESOURCE],
    ['another order', swapped, RESOURCE],
    ['another order at the end', sorted, SIGNATURE],
    ['another object', (address) => address.replace('/xet-bridge-us/', '/xet-bridge-eu/'), RESOURCE],
    ['another host', (address) => address.replace('127.0.0.1', 'localhost'), RESOURCE],
    ['another time', (address) => address.replace(/Expires=\d+/, 'Expires=9999999999'), RESOURCE],
    ['another policy', (address) => address.replace('Policy=eyJ', 'Policy=eyK'), SIGNATURE],
    ['another key', (address) => address.replace('Key-Pair-Id=01', 'Key-Pair-Id=02'), KEY],
    ['a space for a plus', (address) => address.replace('%3B+filename', '%3B%2Bfilename'), RESOURCE],
    ['no query at all', (address) => address.split('?')[0] ?? '', SIGNATURE],
  ];
  test.each(changes)('refuses %s', async (_name, change, refusal) => {
    const address = await resolve('HEAD');
    const changed = change(address);
    expect(changed).not.toBe(address);
    expect(told(await part(changed, 'bytes=0-9'))).toEqual(refusal);
  });

  const spellings: [string, (address: string) => string][] = [
    ['WHATWG', (address) => new URL(address).href],
    ['urllib3', (address) => address.replaceAll('%7E', '~').replaceAll('%2A', '*')],
    ['lower case', (address) => address.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase())],
  ];
  test.each(spellings)('does not mind the encoding of %s', async (_name, spell) => {
    // Signatures are random: look at some.
    for (let index = 0; index < 5; index += 1)
      expect((await part(spell(await resolve('HEAD')), 'bytes=0-9')).status).toBe(206);
  });
});

test('an address belongs to the network address that asked for it, unless the hub is lenient', async () => {
  const answer = await ask(`${hub.origin}${PATH}`, { localAddress: '127.0.0.5' });
  const address = answer.headers.location ?? '';
  const elsewhere = await part(address, 'bytes=0-9');
  expect(told(elsewhere)).toEqual([403, 'Auth failed: invalid client address']);
  const there = { headers: { Range: 'bytes=0-9' }, localAddress: '127.0.0.5' };
  expect((await ask(address, there)).status).toBe(206);
  hub.settings.bindAddresses = false;
  expect((await part(address, 'bytes=0-9')).status).toBe(206);
  hub.settings.bindAddresses = true;
});

function swapped(address: string): string {
  return address.replace(/(xip=[^&]*)&(user_id=[^&]*)/, '$2&$1');
}

function sorted(address: string): string {
  const url = new URL(address);
  url.searchParams.sort();
  return url.href;
}
