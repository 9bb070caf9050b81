import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import type { SocketExchange } from '../../src/operations/doctor/recording/recorder.ts';
import { toRecording } from '../../src/operations/doctor/recording/recording.ts';
import { Workspace } from '../support/run-program.ts';
import { serveHttp } from '../support/server.ts';

/** Planted in every place; the file must hold none of it, in no spelling. */
const MARK = 'geheim';
const COMMIT = 'ab'.repeat(20);
const OTHER_SECRETS = [
  'hf_RecordedToken',
  'ada@example.org',
  'Ada Lovelace',
  '203.0.113.7',
  '2001:db8::7',
  '/home/ada',
  'eyJhbGciOiJIUzI1NiJ9',
  'AKIAIOSFODNN7EXAMPLE',
];

function expectClean(text: string): void {
  const spellings = [MARK, encodeURIComponent(MARK), Buffer.from(MARK).toString('base64').slice(0, 7)];
  for (const secret of [...spellings, ...OTHER_SECRETS]) {
    expect(text.toLowerCase().split(secret.toLowerCase()), `the file holds ${secret}`).toHaveLength(1);
  }
}

const FREE_TEXT = `access denied for user ${MARK}-1 (ada@example.org, Ada Lovelace) from 203.0.113.7 and 2001:db8::7 at /home/ada with hf_RecordedToken, eyJhbGciOiJIUzI1NiJ9, AKIAIOSFODNN7EXAMPLE, ${MARK}`;

/** Every header that is known, with a value that it must not have, and some unknown ones. */
const PLANTED: Readonly<Record<string, string>> = {
  'set-cookie': `session=${MARK}; Domain=example.org`,
  'x-request-id': `Root=1-${MARK}`,
  'x-amz-cf-id': `${MARK}==`,
  'x-amz-cf-pop': MARK,
  server: `${MARK}/1.0`,
  via: `1.1 ${MARK}.example.org (203.0.113.7)`,
  'x-error-code': MARK,
  'x-error-message': FREE_TEXT,
  'x-hf-warning': FREE_TEXT,
  'x-hf-cdn-pop': `aws-eu-${MARK}-1`,
  'x-cache': `Hit from ${MARK}`,
  etag: `"${MARK}"`,
  'x-linked-etag': `"${MARK}"`,
  'x-xet-hash': MARK,
  'cache-control': `max-age=1, ${MARK}`,
  vary: MARK,
  ratelimit: `"${MARK}";r=1;t=1`,
  'ratelimit-policy': `"fixed window";"${MARK}";q=1;w=1`,
  'www-authenticate': `Bearer realm="${MARK}"`,
  'content-disposition': `inline; filename="${MARK}.bin"`,
  'x-forwarded-for': '203.0.113.7',
  link: `<https://${MARK}.example.org/api?cursor=${MARK}>; rel="${MARK}"`,
  [`x-${MARK}-user`]: MARK,
};

const SIGNED = `user_id=${MARK}&xip=${MARK}&Policy=${MARK}&Signature=${MARK}&Key-Pair-Id=${MARK}&${MARK}=1&X-Amz-Credential=${MARK}&X-Amz-${MARK}=1&expand[]=${MARK}&Expires=1999999999&response-content-disposition=${MARK}`;

/** Names, keys and values that a hub may send. */
function planted(more: object = {}): object {
  return {
    ...more,
    [MARK]: 1,
    _id: MARK,
    author: MARK,
    name: MARK,
    fullname: 'Ada Lovelace',
    email: 'ada@example.org',
    error: FREE_TEXT,
    message: FREE_TEXT,
    type: MARK,
    gated: MARK,
    status: MARK,
    tags: [MARK, { name: MARK, ref: `refs/heads/${MARK}`, [MARK]: MARK }],
    auth: { type: MARK, accessToken: { displayName: MARK, role: MARK, token: 'hf_RecordedToken' } },
    avatarUrl: `/avatars/${MARK}.svg`,
    orgs: [{ name: MARK, email: 'ada@example.org' }],
  };
}

const recorded = (endpoint: string, id = `${MARK}/${MARK}`) => ({
  program: 'fetch 0.1.0',
  node: '22.0.0',
  system: 'linux x64',
  nowMs: Date.UTC(2026, 10, 25),
  endpoint,
  proxy: false,
  target: { type: 'model', id, revision: MARK },
  checks: [
    {
      name: 'repository' as const,
      state: 'failed' as const,
      message: `${MARK}: ${FREE_TEXT}`,
      details: [MARK],
      hint: MARK,
    },
  ],
  secrets: ['hf_RecordedToken', MARK],
});

function raw(address: string, more: Partial<SocketExchange> = {}): SocketExchange {
  const rawHeaders = Object.entries({ ...PLANTED, 'content-type': `application/${MARK}` }).flat();
  return {
    startedMs: 1,
    method: 'GET',
    address,
    requestHeaders: {
      authorization: 'Bearer hf_RecordedToken',
      cookie: MARK,
      'user-agent': `fetch/1; ${MARK}`,
      [`x-${MARK}`]: MARK,
      range: `bytes=${MARK}`,
    },
    timing: { kept: false, firstByte: 2 },
    status: 200,
    rawHeaders,
    length: 3,
    complete: true,
    text: JSON.stringify(planted()),
    ...more,
  };
}

describe('nothing that is planted is recorded', () => {
  const hosts = ['https://hub.geheim.example.org', 'https://huggingface.co', 'https://geheim.test/geheim/hf'];
  // Without the net that removes what is known to be secret: the places themselves must be tight.
  test.each(hosts.flatMap((host) => [[host, true] as const, [host, false] as const]))(
    'from %s, secrets known beforehand: %s',
    (endpoint, known) => {
      const location = (address: string) => ['Location', address];
      const exchanges = [
        raw(`${endpoint}/api/whoami-v2`),
        raw(`${endpoint}/api/models/${MARK}/${MARK}/revision/${MARK}%2F${MARK}?expand=${MARK}&${MARK}`),
        raw(`${endpoint}/${MARK}/${MARK}/resolve/${COMMIT}/${MARK}/${MARK}.safetensors?${SIGNED}`, {
          status: 302,
          rawHeaders: [
            ...location(`https://${MARK}.example.org/${MARK}/203.0.113.7?${SIGNED}`),
            ...location(`/api/resolve-cache/models/${MARK}?%2F${MARK}%2F=&etag=%22${MARK}%22`),
            ...location(`//${MARK}.example.org/${MARK}`),
            ...location(`https://ada:${MARK}@example.org/#${MARK}`),
          ],
          text: `Found. Redirecting to https://${MARK}.example.org/?${SIGNED}`,
        }),
        raw(`https://us.aws.cdn.hf.co/xet-bridge-us/${MARK}/${MARK}?${SIGNED}`, {
          status: 403,
          text: FREE_TEXT,
        }),
        raw(`${endpoint}/x`, { text: `<html><title>${MARK}</title><p title="${MARK}">${FREE_TEXT}</html>` }),
        raw(`${endpoint}/y`, { text: JSON.stringify([planted({ path: MARK, rfilename: MARK, oid: MARK })]) }),
        raw(`${endpoint}/z`, {
          rawHeaders: [],
          error: {
            code: `E${MARK.toUpperCase()}`,
            message: `connect ECONNREFUSED 203.0.113.7:443 ${FREE_TEXT}`,
          },
        }),
      ];
      const about = recorded(endpoint);
      const recording = toRecording({ exchanges, cut: false } as never, {
        ...about,
        secrets: known ? about.secrets : [],
      });
      expect(recording.exchanges).toHaveLength(exchanges.length);
      expectClean(JSON.stringify(recording));
    },
  );

  test('of a public repository on huggingface.co its names stay, and of the account nothing', () => {
    const hub = 'https://huggingface.co';
    const info = { id: 'openai-community/gpt2', private: false, sha: COMMIT, gated: false };
    const exchanges = [
      raw(`${hub}/api/whoami-v2`),
      raw(`${hub}/api/models/openai-community/gpt2/revision/main`, { text: JSON.stringify(info) }),
      raw(`${hub}/api/models/openai-community/gpt2/tree/${COMMIT}`, {
        text: JSON.stringify([{ type: 'file', path: 'onnx/decoder.onnx', size: 5, oid: COMMIT }]),
      }),
      raw(`${hub}/openai-community/gpt2/resolve/${COMMIT}/onnx/decoder.onnx?${SIGNED}`),
    ];
    const about = { ...recorded(hub, 'openai-community/gpt2'), secrets: [] };
    const recording = toRecording({ exchanges, cut: false } as never, {
      ...about,
      target: { ...about.target, revision: 'main' },
    });
    expect(recording.repo).toEqual({ type: 'model', id: 'openai-community/gpt2', revision: 'main' });
    expect(recording.exchanges[3]?.path).toBe(`/openai-community/gpt2/resolve/${COMMIT}/onnx/decoder.onnx`);
    expectClean(JSON.stringify(recording));
  });

  test('of a private one, and of one of the user’s own, not even its names', () => {
    const hub = 'https://huggingface.co';
    const info = { id: `${MARK}/gpt2`, private: true, sha: COMMIT };
    const exchanges = [
      raw(`${hub}/api/models/${MARK}/gpt2/revision/${MARK}`, { text: JSON.stringify(info) }),
      raw(`${hub}/${MARK}/gpt2/resolve/${COMMIT}/${MARK}.bin`),
    ];
    expectClean(JSON.stringify(toRecording({ exchanges, cut: false } as never, recorded(hub))));
    const own = { ...info, private: false };
    exchanges[0] = raw(exchanges[0]!.address, { text: JSON.stringify(own) });
    const recording = toRecording({ exchanges, cut: false } as never, recorded(hub));
    expectClean(JSON.stringify(recording));
    expect(JSON.stringify(recording)).not.toContain(COMMIT);
  });
});

test('the program: a hub that plants its secrets in every answer', async () => {
  await using hub = await serveHttp((request, response) => {
    for (const [name, value] of Object.entries(PLANTED)) response.setHeader(name, value);
    const path = request.url ?? '';
    const json = (body: unknown) =>
      response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
    if (path.startsWith('/api/whoami')) json(planted({ type: 'user', name: `${MARK}-account` }));
    else if (path.includes('/revision/'))
      json(planted({ id: 'geheim-org/geheim-repo', sha: COMMIT, private: false }));
    else if (path.includes('/tree/')) {
      const lfs = { oid: 'cd'.repeat(32), size: 3_000_000, pointerSize: 130 };
      json([
        {
          type: 'file',
          path: `${MARK}/${MARK}.safetensors`,
          size: 3_000_000,
          oid: COMMIT,
          lfs,
          [MARK]: MARK,
        },
      ]);
    } else if (path.includes('/resolve/')) {
      response.writeHead(302, { location: `/${MARK}/${MARK}?${SIGNED}` });
      response.end(`Found. Redirecting to /${MARK}?${SIGNED}`);
    } else {
      response.writeHead(403, { 'content-type': 'text/plain' });
      response.end(FREE_TEXT);
    }
  });
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  const env = { HF_TOKEN: 'hf_RecordedToken', HF_HUB_USER_AGENT_ORIGIN: MARK };
  const words = ['doctor', 'geheim-org/geheim-repo', '--record', 'r.json', '--verbose'];
  const run = await workspace.run(words, { env });
  expect(run.exit).toBe(6);
  const text = await readFile(workspace.path('r.json'), 'utf8');
  expectClean(text);
  expect(text).not.toContain(new URL(hub.origin).host);
  expect(text).not.toContain(workspace.root);
  // It is a recording, and not an empty page.
  const recording = JSON.parse(text) as { exchanges: { status?: number; body: { text?: string } }[] };
  expect(recording.exchanges.map(({ status }) => status)).toEqual(expect.arrayContaining([200, 302, 403]));
  expect(recording.exchanges.find(({ status }) => status === 403)?.body.text).toMatch(
    /^access denied for user …/,
  );
});
