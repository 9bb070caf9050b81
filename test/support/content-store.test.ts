import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ask } from './ask.ts';
import { startHub } from './hub/hub.ts';
import { ContentStore } from './xet/content-store.ts';
import {
  addFixture,
  FIXTURE_CONTENTS,
  type FixtureName,
  officialFixtures,
  type StoredFile,
} from './xet/fixtures.ts';
import { CHUNK_LIES, chunkLie, RECONSTRUCTION_LIES, reconstructionLie } from './xet/lies.ts';

let store: ContentStore;
let file: StoredFile;

beforeEach(async () => {
  store = await ContentStore.start();
  file = addFixture(store, 'b');
});
afterEach(() => store[Symbol.asyncDispose]());

interface FirstVersion {
  readonly offset_into_first_range: number;
  readonly terms: readonly {
    readonly hash: string;
    readonly unpacked_length: number;
    readonly range: object;
  }[];
  readonly fetch_info: Readonly<
    Record<string, readonly { readonly url: string; readonly url_range: { start: number; end: number } }[]>
  >;
}

const bearer = (token = store.readToken().accessToken): Record<string, string> => ({
  authorization: `Bearer ${token}`,
});
const askFor = (version: string, headers: Record<string, string> = bearer()) =>
  ask(`${store.casOrigin}/${version}/reconstructions/${file.xetHash}`, { headers });
const firstVersion = async (headers: Record<string, string> = {}): Promise<FirstVersion> =>
  JSON.parse((await askFor('v1', { ...bearer(), ...headers })).text) as FirstVersion;
const firstAddress = async (): Promise<{ url: string; range: string; xorb: string }> => {
  const { fetch_info: entries } = await firstVersion();
  const [xorb = '', [entry] = []] = Object.entries(entries)[0] ?? [];
  return { xorb, url: entry!.url, range: `bytes=${entry!.url_range.start}-${entry!.url_range.end}` };
};

describe('the fixtures of the official client', () => {
  test.each(Object.keys(FIXTURE_CONTENTS) as FixtureName[])('%s is the content that it was given', (name) => {
    const { size, sha256, chunks, terms } = officialFixtures().files[name];
    const content = FIXTURE_CONTENTS[name];
    expect(content.length).toBe(size);
    expect(createHash('sha256').update(content).digest('hex')).toBe(sha256);
    expect(chunks.reduce((sum, { length }) => sum + length, 0)).toBe(size);
    expect(terms.reduce((sum, { length }) => sum + length, 0)).toBe(size);
  });

  test('have every scheme, one chunk in several places, and chunks of A in B and C', () => {
    addFixture(store, 'random');
    addFixture(store, 'zeros');
    const schemes = [...store.xorbs.values()].flatMap(({ chunks }) => chunks.map(({ scheme }) => scheme));
    expect([...new Set(schemes)].sort()).toEqual(['bg4', 'lz4', 'none']);
    const { files } = officialFixtures();
    expect(files.zeros.terms.length).toBeGreaterThan(
      new Set(files.zeros.terms.map(({ start }) => start)).size,
    );
    const xorbs = (name: FixtureName) => files[name].terms.map(({ xorb }) => xorb);
    for (const name of ['b', 'c'] as const) {
      expect(xorbs(name)).toContain(xorbs('a')[0]);
      expect(new Set(xorbs(name)).size).toBeGreaterThan(1);
    }
  });
});

describe('the API', () => {
  test('wants a token of its own that has not ended', async () => {
    const { accessToken } = store.readToken();
    expect((await askFor('v2', bearer(accessToken))).status).toBe(200);
    expect((await askFor('v2', {})).status).toBe(401);
    expect(store.leaks()).toEqual([]);
    store.endTokens();
    expect((await askFor('v2', bearer(accessToken))).status).toBe(401);
    expect(store.leaks()).toEqual([]);
    expect((await askFor('v2', bearer('hf_reader'))).status).toBe(401);
    expect(store.leaks()).toEqual([expect.stringContaining('of the API')]);
  });

  test('knows both versions, or one', async () => {
    expect((await askFor('v1')).status).toBe(200);
    store.settings.versions = 'v1';
    expect((await askFor('v2')).status).toBe(404);
    store.settings.missingVersion = 501;
    expect((await askFor('v2')).status).toBe(501);
    store.settings.versions = 'v2';
    expect((await askFor('v1')).status).toBe(501);
  });

  test('narrows a range of the file to its chunks', async () => {
    const { chunks } = officialFixtures().files.b;
    const second = chunks[0]!.length;
    const answer = await firstVersion({ range: `bytes=${second + 5}-${second + 6}` });
    expect(answer.offset_into_first_range).toBe(5);
    expect(answer.terms.map((term) => term.unpacked_length)).toEqual([chunks[1]!.length]);
    store.settings.narrows = false;
    const whole = await firstVersion({ range: `bytes=${second + 5}-${second + 6}` });
    expect(whole.terms[0]!.unpacked_length).toBe(officialFixtures().files.b.terms[1]!.length);
  });

  test('refuses a range behind the end, and files that it does not have', async () => {
    const headers = { ...bearer(), range: `bytes=${file.content.length}-` };
    expect((await askFor('v2', headers)).status).toBe(416);
    const other = `${store.casOrigin}/v2/reconstructions/${'ab'.repeat(32)}`;
    expect((await ask(other, { headers: bearer() })).status).toBe(404);
  });

  test('puts several ranges under one address where it is told to', async () => {
    store.settings.rangesPerAddress = 500;
    addFixture(store, 'a');
    const { text } = await askFor('v2');
    const entries = Object.values(JSON.parse(text).xorbs) as { url: string; ranges: unknown[] }[][];
    const several = entries.flat().find(({ ranges }) => ranges.length > 1);
    expect(several?.url).toContain('X-Xet-Signed-Range');
  });
});

describe('the storage', () => {
  test('answers exactly the range that an address is signed for', async () => {
    const { url, range, xorb } = await firstAddress();
    const right = await ask(url, { headers: { range } });
    expect(right.status).toBe(206);
    expect(right.body.equals(store.xorbs.get(xorb)!.data.subarray(0, right.body.length))).toBe(true);
    const narrower = range.replace(/\d+$/, (last) => String(Number(last) - 1));
    for (const headers of [{}, { range: narrower }, { range: 'bytes=0-' }] as Record<string, string>[]) {
      expect(await ask(url, { headers })).toMatchObject({ status: 403, text: 'Auth failed: invalid range' });
    }
  });

  test('refuses a changed address, an ended one, and any token', async () => {
    const { url, range } = await firstAddress();
    expect((await ask(url.replace('repo_id=', 'repo_id=0'), { headers: { range } })).status).toBe(403);
    expect((await ask(url, { headers: { range, ...bearer() } })).status).toBe(400);
    expect(store.leaks()).toEqual([expect.stringContaining('of the storage')]);
    store.settings.addressSeconds = -1;
    const ended = await firstAddress();
    expect(await ask(ended.url, { headers: { range } })).toMatchObject({
      status: 403,
      text: expect.stringContaining('AccessDenied'),
    });
  });

  test('changes one bit at any place of a xorb', async () => {
    const { url, range } = await firstAddress();
    const right = await ask(url, { headers: { range } });
    store.faults.add({ on: 'xorb', effect: { kind: 'flip', offset: 1000, mask: 4 } });
    const { body } = await ask(url, { headers: { range } });
    expect(body[1000]! ^ right.body[1000]!).toBe(4);
    body[1000] = right.body[1000]!;
    expect(body.equals(right.body)).toBe(true);
  });

  test('counts what it sent', async () => {
    const { url, range } = await firstAddress();
    const { body } = await ask(url, { headers: { range } });
    expect(store.log.bytesSent('xorbs')).toBe(body.length);
    expect(store.log.where({ kind: 'xorb' })).toMatchObject([{ range, authorization: 'none', status: 206 }]);
  });
});

describe('lies', () => {
  test.each(RECONSTRUCTION_LIES)('a reconstruction: %s', async (lie) => {
    for (const version of ['v1', 'v2']) {
      const right = (await askFor(version)).text;
      store.faults.add({ on: 'reconstruction', effect: reconstructionLie(lie) });
      const told = await askFor(version);
      expect(told.status).toBe(200);
      expect(unsigned(told.text)).not.toBe(unsigned(right));
    }
  });

  test.each(CHUNK_LIES)('a chunk: %s', async (lie) => {
    const { url, range } = await firstAddress();
    const right = await ask(url, { headers: { range } });
    store.faults.add({ on: 'xorb', effect: chunkLie(lie) });
    const told = await ask(url, { headers: { range } });
    expect(told.body.length).toBe(right.body.length);
    expect(told.body.equals(right.body)).toBe(false);
  });
});

/** Each answer signs its addresses anew. */
function unsigned(text: string): string {
  return text.replace(/(http:[^"?]*)\?[^"]*/g, '$1');
}

test('a hub names the store, gives its tokens and the real hashes', async () => {
  await using hub = await startHub({
    repositories: [{ id: 'o/n', branches: { main: [file.file('model.safetensors')] } }],
    contentStore: store,
  });
  const tree = JSON.parse((await ask(`${hub.origin}/api/models/o/n/tree/main`)).text);
  expect(tree).toMatchObject([
    { path: 'model.safetensors', xetHash: file.xetHash, size: file.content.length },
  ]);
  const resolved = await ask(`${hub.origin}/o/n/resolve/main/model.safetensors`, { method: 'HEAD' });
  expect(resolved.headers['x-xet-hash']).toBe(file.xetHash);
  expect(resolved.headers['link']).toContain(`${store.casOrigin}/v1/reconstructions/${file.xetHash}`);
  const token = JSON.parse((await ask(`${hub.origin}/api/models/o/n/xet-read-token/main`)).text);
  expect(token).toMatchObject({ casUrl: store.casOrigin, exp: expect.any(Number) });
  expect((await askFor('v2', bearer(token.accessToken))).status).toBe(200);
});
