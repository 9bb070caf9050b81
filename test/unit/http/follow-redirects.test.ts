import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import type { HttpResponse } from '../../../src/http/client.ts';
import {
  authorizeOrigin,
  followRedirects,
  type HopRequest,
  type RedirectOptions,
} from '../../../src/http/follow-redirects.ts';
import type { FetchError } from '../../../src/model/error.ts';

const START = 'https://hub.example/a';
const TOKEN = 'Bearer secret';

type Answer = number | string | { readonly status: number; readonly location?: string };

/** A server of made-up answers: a text is where it redirects to with 302, a number is a status. */
function serverOf(answers: Readonly<Record<string, Answer>>) {
  const hops: HopRequest[] = [];
  const bodies: PassThrough[] = [];
  const send = async (hop: HopRequest): Promise<HttpResponse> => {
    hops.push(hop);
    const answer = answers[hop.address] ?? 404;
    const { status, location } =
      typeof answer === 'string'
        ? { status: 302, location: answer }
        : typeof answer === 'number'
          ? { status: answer }
          : answer;
    const body = new PassThrough();
    body.end('text of the answer');
    bodies.push(body);
    return {
      url: hop.url,
      status,
      headers: location === undefined ? {} : { location },
      body: body as unknown as IncomingMessage,
      address: undefined,
      reused: false,
      way: { phase: 'body', proxy: undefined },
      quietFor: () => {},
    };
  };
  return { send, hops, bodies };
}

function follow(answers: Readonly<Record<string, Answer>>, more: Partial<RedirectOptions> = {}) {
  const { send, hops, bodies } = serverOf(answers);
  const result = followRedirects(START, {
    send,
    authorize: authorizeOrigin({ origin: 'https://hub.example', value: TOKEN }),
    retryable: false,
    signal: new AbortController().signal,
    ...more,
  } as RedirectOptions);
  return { result, hops, bodies };
}

const refused = async (work: Promise<unknown>): Promise<FetchError> =>
  (await work.then(
    () => new Error('was not refused'),
    (error: unknown) => error,
  )) as FetchError;

describe('followRedirects', () => {
  test.each<[string, Record<string, Answer>, string[]]>([
    ['no redirect', { [START]: 200 }, [START]],
    ['a refusal, which is an answer', { [START]: 403 }, [START]],
    [
      'an absolute, a relative and a scheme-less target',
      {
        [START]: 'https://cdn.example/b',
        'https://cdn.example/b': '/c',
        'https://cdn.example/c': '//third.example/d',
        'https://third.example/d': 200,
      },
      [START, 'https://cdn.example/b', 'https://cdn.example/c', 'https://third.example/d'],
    ],
    [
      'every status of a redirect',
      {
        [START]: { status: 301, location: '/b' },
        'https://hub.example/b': { status: 303, location: '/c' },
        'https://hub.example/c': { status: 307, location: '/d' },
        'https://hub.example/d': { status: 308, location: '/e' },
        'https://hub.example/e': 206,
      },
      ['a', 'b', 'c', 'd', 'e'].map((path) => `https://hub.example/${path}`),
    ],
  ])('%s', async (_, answers, addresses) => {
    const { result, hops } = follow(answers);
    expect(await result).toMatchObject({ kind: 'answer', address: addresses.at(-1) });
    expect(hops.map(({ address }) => address)).toEqual(addresses);
  });

  test('an address is kept byte for byte', async () => {
    const address = "https://cdn.example/x%7Ey?Policy=a*b%2A'&z=1&a=%20";
    const { result, hops } = follow({ [START]: address, [address]: 200 });
    expect(await result).toMatchObject({ address });
    expect(hops.at(-1)?.target).toBe("/x%7Ey?Policy=a*b%2A'&z=1&a=%20");
  });

  test('the credential goes to its own origin only, also on the way back', async () => {
    const { result, hops } = follow(
      {
        [START]: 'https://cdn.example/b',
        'https://cdn.example/b': 'https://hub.example:8443/c',
        'https://hub.example:8443/c': 'https://hub.example/d',
        'https://hub.example/d': 200,
      },
      { headers: { range: 'bytes=0-9' } },
    );
    await result;
    expect(hops.map(({ headers }) => headers)).toEqual([
      { range: 'bytes=0-9', authorization: TOKEN },
      { range: 'bytes=0-9' },
      { range: 'bytes=0-9' },
      { range: 'bytes=0-9', authorization: TOKEN },
    ]);
  });

  test.each<[string, Answer, string]>([
    ['from https to http', 'http://hub.example/b', 'redirects from https to http, to hub.example'],
    ['without a target', { status: 302 }, 'redirects without saying where'],
    ['to an unreadable target', 'https://[x', 'redirects without saying where'],
    ['to a file', 'file:///etc/passwd', 'redirects to a file: address'],
  ])('a redirect %s is refused', async (_, answer, message) => {
    const { result, hops } = follow({ [START]: answer });
    const error = await refused(result);
    expect(error).toMatchObject({ code: 'NETWORK' });
    expect(error.message).toBe(`${START} ${message}`);
    expect(hops).toHaveLength(1);
  });

  test('ten redirects are followed, an eleventh is not', async () => {
    const chain = (length: number) =>
      Object.fromEntries(
        Array.from({ length: length + 1 }, (_, hop): [string, Answer] => [
          hop === 0 ? START : `https://hub.example/${hop}`,
          hop === length ? 200 : `/${hop + 1}`,
        ]),
      );
    expect(await follow(chain(10)).result).toMatchObject({ address: 'https://hub.example/10' });
    const { result, hops } = follow(chain(11));
    expect(await refused(result)).toMatchObject({
      code: 'NETWORK',
      message: `${START} redirects in circles`,
      retryable: false,
    });
    expect(hops).toHaveLength(11);
  });

  test.each<[string, Record<string, Answer>, number]>([
    ['to itself', { [START]: '/a' }, 2],
    ['between two', { [START]: '/b', 'https://hub.example/b': '/a' }, 4],
  ])('a circle %s is recognised', async (_, answers, requests) => {
    const { result, hops } = follow(answers, { retryable: true });
    expect(await refused(result)).toMatchObject({
      message: `${START} redirects in circles`,
      retryable: true,
    });
    expect(hops).toHaveLength(requests);
  });

  test('a gateway may redirect back to the same address once', async () => {
    let asked = 0;
    const { send, hops } = serverOf({ [START]: 200 });
    const result = await followRedirects(START, {
      send: async (hop) => {
        asked += 1;
        const response = await send(hop);
        return asked > 1 ? response : { ...response, status: 307, headers: { location: '/a' } };
      },
      authorize: () => undefined,
      retryable: false,
      signal: new AbortController().signal,
    });
    expect(result.response.status).toBe(200);
    expect(hops).toHaveLength(2);
  });

  test('a redirect that is not to be followed is the result', async () => {
    const { result, hops, bodies } = follow(
      { [START]: '/b', 'https://hub.example/b': 'https://cdn.example/c?Signature=x' },
      { follows: (response, next) => new URL(next).origin === response.url.origin },
    );
    expect(await result).toEqual({ kind: 'redirect', address: 'https://cdn.example/c?Signature=x' });
    expect(hops).toHaveLength(2);
    // Read to their ends, so that the connections can be used again.
    expect(bodies.map((body) => body.readableFlowing)).toEqual([true, true]);
  });

  test('a target can be rewritten before it is judged', async () => {
    const { result, hops } = follow(
      { [START]: '/b', 'https://hub.example/prefix/b': 200 },
      { rewrite: (address) => address.replace('/b', '/prefix/b') },
    );
    expect(await result).toMatchObject({ address: 'https://hub.example/prefix/b' });
    expect(hops).toHaveLength(2);
  });

  test('what sending throws is thrown', async () => {
    const failure = new Error('reset');
    const { result } = follow({}, { send: () => Promise.reject(failure) });
    await expect(result).rejects.toBe(failure);
  });
});
