import {
  appendFile,
  copyFile,
  mkdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { connect } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { generated } from '../support/hub/content/content.ts';
import { startHub } from '../support/hub/hub.ts';
import { gitFile, lfsFile, xetFile } from '../support/hub/repositories/file.ts';
import { Workspace } from '../support/run-program.ts';
import { type ServingProgram, startServing } from '../support/serving.ts';

const ID = 'tests/served';
/** An owner, a name and files that every object of JavaScript has. */
const INHERITED = 'constructor/toString';
const INHERITED_FILES = ['toString', '__proto__', 'constructor/hasOwnProperty', 'valueOf'];
/** More than the system buffers for one connection: the rest is read after the file has changed. */
const BIG = 24_000_000;
/** In files that stand beside and below what is served, and that no listing has. */
const SECRET = 'no client may ever read this';

let staged: Workspace;
let served: ServingProgram;
/** What may be sent, by its ETag. */
const contents = new Map<string, Buffer>();

beforeAll(async () => {
  await using hub = await startHub({
    repositories: [
      {
        id: ID,
        branches: {
          main: [
            gitFile('config.json', '{"text": "small"}\n'),
            gitFile('sub dir/a#b%c?.txt', 'odd\n'),
            gitFile('a%2fb.txt', 'decoded once only\n'),
            lfsFile('tokenizer.model', generated('served tokenizer', 100_001)),
            xetFile('model.safetensors', generated('served by strangers', BIG)),
          ],
        },
      },
      {
        id: INHERITED,
        branches: { main: INHERITED_FILES.map((path) => gitFile(path, `content of ${path}\n`)) },
      },
    ],
  });
  staged = await Workspace.open({ endpoint: hub.origin });
  for (const [directory, id] of [
    ['served', ID],
    ['inherited', INHERITED],
  ] as const) {
    const run = await staged.run([id, '--local-dir', directory]);
    if (run.exit !== 0) throw new Error(run.stderr);
    const manifest = JSON.parse(await readFile(staged.path(directory, '.cache/fetch/manifest.json'), 'utf8'));
    for (const { path, oid } of manifest.files as { readonly path: string; readonly oid: string }[])
      contents.set(`"${oid}"`, await readFile(staged.path(directory, path)));
  }
  for (const names of [['secret.txt'], ['served', 'secret.txt'], ['served', '.cache', 'fetch', 'secret.txt']])
    await writeFile(staged.path(...names), SECRET);
  served = await startServing(staged, ['served', 'inherited']);
});

afterAll(async () => {
  await served[Symbol.asyncDispose]();
  await staged[Symbol.asyncDispose]();
});

interface RawAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

/** Sends a request as it stands, which no client would. `onBytes` hears how many bytes of the answer have come. */
async function ask(
  url: string,
  target: string,
  { method = 'GET', headers = '' }: { readonly method?: string; readonly headers?: string } = {},
  onBytes?: (received: number) => Promise<void>,
): Promise<RawAnswer> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  // A refused request is reset when more of it comes.
  socket.on('error', () => {});
  socket.write(`${method} ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${headers}\r\n`, 'latin1');
  const chunks: Buffer[] = [];
  let received = 0;
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    received += chunk.length;
    await onBytes?.(received);
  }
  const answer = Buffer.concat(chunks);
  const end = answer.indexOf('\r\n\r\n');
  const [first = '', ...lines] = answer.toString('latin1', 0, end).split('\r\n');
  const fields = lines.map((line): [string, string] => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  return { status: Number(first.split(' ')[1]), headers: new Map(fields), body: answer.subarray(end + 4) };
}

/** What an answer with content may hold: a listed file, a range of it, its pointer, or a document. */
function expectHarmless(target: string, { status, headers, body }: RawAnswer): void {
  expect([200, 206, 304, 400, 404, 405, 414, 416, 431], target).toContain(status);
  for (const secret of [SECRET, 'root:', '"oid"']) {
    // Documents name hashes as `oid`; our own records must not come as files.
    if (headers.get('content-type')?.startsWith('application/json') === true && secret === '"oid"') continue;
    expect(body.includes(secret), target).toBe(false);
  }
  if (headers.get('content-type') !== 'application/octet-stream') return;
  const whole = contents.get(headers.get('etag') ?? '');
  expect(whole, target).toBeDefined();
  if (body.length === 0) return;
  const range = /^bytes (\d+)-(\d+)\//.exec(headers.get('content-range') ?? '');
  const start = range === null ? 0 : Number(range[1]);
  const end = range === null ? whole!.length : Number(range[2]) + 1;
  expect(body.equals(whole!.subarray(start, end)), target).toBe(true);
}

const HOSTILE = [
  `/${ID}/resolve/main/../../secret.txt`,
  `/${ID}/resolve/main/secret.txt`,
  `/${ID}/resolve/main/%2e%2e/secret.txt`,
  `/${ID}/resolve/main/%2e%2e%2fsecret.txt`,
  `/${ID}/resolve/main/..%2fsecret.txt`,
  `/${ID}/resolve/main/%252e%252e%252fsecret.txt`,
  `/${ID}/resolve/main/..%5csecret.txt`,
  `/${ID}/resolve/main/..\\secret.txt`,
  `/${ID}/resolve/main/....//secret.txt`,
  `/${ID}/resolve/main/..;/secret.txt`,
  `/${ID}/resolve/main/%c0%ae%c0%ae/secret.txt`,
  `/${ID}/resolve/main/\u00c0\u00ae\u00c0\u00ae/secret.txt`,
  `/${ID}/resolve/main/.cache/fetch/manifest.json`,
  `/${ID}/resolve/main/.cache/fetch/secret.txt`,
  `/${ID}/resolve/main/.cache%2ffetch%2fsecret.txt`,
  `/${ID}/resolve/main/config.json/../secret.txt`,
  `/${ID}/resolve/main/config.json%00.txt`,
  `/${ID}/resolve/main/%00`,
  `/${ID}/resolve/main/secret.txt%00config.json`,
  `/${ID}/resolve/main/CON`,
  `/${ID}/resolve/main/C:/secret.txt`,
  `/${ID}/resolve/main/C:%5csecret.txt`,
  `/${ID}/resolve/main/%5c%5chost%5cshare%5csecret.txt`,
  `/${ID}/resolve/main//etc/passwd`,
  `/${ID}/resolve/main/%2fetc%2fpasswd`,
  `/${ID}/resolve/main/file:%2f%2f%2fetc%2fpasswd`,
  `/${ID}/resolve/..%2f..%2f/secret.txt`,
  `/${ID}/resolve/%2e%2e/secret.txt`,
  `/${ID}/resolve/main%00/secret.txt`,
  `/${ID}/raw/main/..%2f..%2fsecret.txt`,
  `/../secret.txt`,
  `/secret.txt`,
  `//secret.txt`,
  `/..%2f..%2fetc/passwd/resolve/main/x`,
  `/${'..%2f'.repeat(8)}etc/resolve/main/passwd`,
  `/${ID}%2f../resolve/main/secret.txt`,
  `/tests%5cserved/resolve/main/secret.txt`,
  `/api/models/..%2f..%2fetc/tree/main`,
  `/api/models/${ID}/tree/main/..%2f..`,
  `/api/models/${ID}/tree/main/.cache`,
  `/api/models/${ID}/revision/..%2f..%2f..`,
  `/${ID}/resolve/main/%`,
  `/${ID}/resolve/main/%zz`,
  `/${ID}/resolve/main/%e2%28%a1`,
  `/${ID}/resolve/main/${'x'.repeat(9000)}`,
  `/${ID}/resolve/main/${'a/'.repeat(3000)}b`,
  `/${ID}/resolve/main/${'x'.repeat(20_000)}`,
  `/${ID}/resolve/main/config.json?x=${'y'.repeat(20_000)}`,
  'http://elsewhere/secret.txt',
  'http:///secret.txt',
  `http://x/${ID}/resolve/main/../secret.txt`,
  'file:///etc/passwd',
  '*',
  'secret.txt',
  `/constructor/resolve/main/config.json`,
  `/toString/valueOf/resolve/main/config.json`,
  `/__proto__/resolve/__proto__/__proto__`,
  `/api/constructor/${ID}`,
  `/api/__proto__/${ID}/tree/main`,
  `/api/models/__proto__`,
  `/api/models/${ID}/toString/main`,
  `/api/models/${ID}/tree/__proto__`,
  `/api/models/${ID}/revision/constructor`,
  `/${ID}/constructor/main/config.json`,
  `/${ID}/resolve/main/__proto__`,
  `/${ID}/resolve/main/constructor`,
  `/${ID}/resolve/toString/config.json`,
];

describe('names of strangers', () => {
  test('nothing is here that no listing has, however it is named', async () => {
    for (const target of HOSTILE) {
      for (const method of ['GET', 'HEAD']) {
        const answer = await ask(served.url, target, { method });
        expectHarmless(target, answer);
        expect([400, 404, 414, 431], `${method} ${target}`).toContain(answer.status);
      }
    }
    expect((await ask(served.url, `/${ID}/resolve/main/config.json`)).status).toBe(200);
  });

  test('owners, names and files that every object has are names like others', async () => {
    const listed = await ask(served.url, `/api/models/${INHERITED}/tree/main?recursive=1`);
    const paths = (JSON.parse(listed.body.toString()) as { readonly path: string }[]).map(({ path }) => path);
    expect(paths).toEqual(expect.arrayContaining(INHERITED_FILES));
    for (const path of INHERITED_FILES) {
      const { status, body } = await ask(served.url, `/${INHERITED}/resolve/main/${path}`);
      expect([status, body.toString()]).toEqual([200, `content of ${path}\n`]);
    }
    await using other = await Workspace.open({ endpoint: served.url });
    const run = await other.run([INHERITED, '--local-dir', 'copy']);
    expect(run.exit, run.stderr).toBe(0);
    for (const path of INHERITED_FILES)
      expect(await readFile(other.path('copy', path), 'utf8')).toBe(`content of ${path}\n`);
  });

  test('a request may give the whole address, as for a proxy', async () => {
    const { body } = await ask(
      served.url,
      `http://elsewhere:81/${ID}/resolve/main/config.json?download=true`,
    );
    expect(body.toString()).toBe('{"text": "small"}\n');
    const tree = await ask(served.url, `HTTP://elsewhere:81/api/models/${ID}/tree/main?limit=1`);
    expect(tree.headers.get('link')).toMatch(
      /^<http:\/\/elsewhere:81\/api\/models\/tests\/served\/tree\/main\?/,
    );
  });

  // fast-check prints the seed of what fails.
  test('300 random requests get documents, listed bytes, or a refusal', async () => {
    const piece = fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom('tests', 'served', 'resolve', 'main', 'config.json') },
      {
        weight: 3,
        arbitrary: fc.constantFrom(
          ...['api', 'models', 'datasets', 'raw', 'tree', 'refs', 'revision', 'constructor', '__proto__'],
          ...[
            '..',
            '.',
            '',
            '%2e%2e',
            '%2f',
            '%5c',
            '\\',
            '%00',
            '%',
            '%25',
            'secret.txt',
            '.cache',
            'fetch',
          ],
          ...['model.safetensors', 'tokenizer.model', 'sub%20dir', 'a%23b%25c%3f.txt', 'a%252fb.txt', 'HEAD'],
        ),
      },
      { weight: 1, arbitrary: fc.string({ unit: 'grapheme-ascii', maxLength: 8 }).map(encodeURIComponent) },
      { weight: 1, arbitrary: fc.string({ unit: 'binary-ascii', maxLength: 5 }).map(withoutBreaks) },
    );
    const path = fc.oneof(
      { weight: 1, arbitrary: fc.array(piece, { maxLength: 9 }).map((pieces) => `/${pieces.join('/')}`) },
      {
        weight: 1,
        arbitrary: fc
          .array(piece, { minLength: 1, maxLength: 3 })
          .map((rest) => `/${ID}/resolve/main/${rest.join('/')}`),
      },
      {
        weight: 2,
        arbitrary: fc
          .tuple(fc.constantFrom(`/${ID}/resolve/main`, `/${INHERITED}/raw/main`), fc.nat(4))
          .map(([start, at]) => `${start}/${['config.json', 'tokenizer.model', ...INHERITED_FILES][at]}`),
      },
    );
    const number = fc.oneof(fc.nat(200_000), fc.constantFrom('', '99999999999999999999', 'x'));
    const request = fc.record({
      target: fc
        .tuple(fc.constantFrom('', '', 'http://x', 'https://'), path, fc.constantFrom('', '?a=b', '?%'))
        .map((parts) => parts.join('')),
      method: fc.constantFrom('GET', 'GET', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS'),
      headers: fc.oneof(
        fc.constant(''),
        fc.tuple(number, number).map(([start, end]) => `Range: bytes=${start}-${end}\r\n`),
      ),
    });
    let sent = 0;
    await fc.assert(
      fc.asyncProperty(request, async ({ target, ...how }) => {
        const answer = await ask(served.url, target, how);
        expectHarmless(target, answer);
        if (answer.body.length > 0 && answer.status < 300) sent += 1;
      }),
      { numRuns: 300 },
    );
    // Otherwise the test would show nothing.
    expect(sent).toBeGreaterThan(10);
    expect((await ask(served.url, `/${ID}/resolve/main/config.json`)).status).toBe(200);
  });
});

/** What ends the first line of a request would be another request. */
function withoutBreaks(text: string): string {
  return text.replace(/[\r\n ?]/g, '');
}

describe('a file that changes while it is sent', () => {
  const PATH = 'served/model.safetensors';
  const change: Readonly<Record<string, (path: string, other: string) => Promise<void>>> = {
    'is written over': (path, other) => copyFile(other, path),
    'is written over, and its times are set back': async (path, other) => {
      const { atime, mtime } = await stat(path);
      await copyFile(other, path);
      await utimes(path, atime, mtime);
    },
    shrinks: (path) => truncate(path, 1000),
    'is emptied and filled': async (path, other) => {
      await truncate(path, 0);
      await copyFile(other, path);
    },
    grows: (path) => appendFile(path, SECRET),
    vanishes: (path) => unlink(path),
    'is replaced': (path, other) => rename(other, path),
    'becomes a link': async (path, other) => {
      await unlink(path);
      await symlink(other, path);
    },
    'becomes a directory': async (path) => {
      await unlink(path);
      await mkdir(path);
    },
  };

  test.each(Object.keys(change))('%s: no byte of another content', async (what) => {
    const path = staged.path(PATH);
    const [kept, other] = [staged.path('kept'), staged.path('other')];
    const target = `/${ID}/resolve/main/model.safetensors`;
    await copyFile(path, kept);
    await writeFile(other, Buffer.alloc(BIG, 7));
    const truth = await readFile(kept);
    try {
      for (const after of [1, 3_000_000]) {
        let changed = false;
        const { body } = await ask(served.url, target, {}, async (received) => {
          if (changed || received < after) return;
          changed = true;
          await change[what]!(path, other);
        });
        expect(body.length).toBeLessThan(BIG);
        expect(body.equals(truth.subarray(0, body.length))).toBe(true);
        expect((await ask(served.url, target, { method: 'HEAD' })).status).toBe(404);
        // It is right again, and hashed before it is sent.
        await rm(path, { recursive: true, force: true });
        await copyFile(kept, path);
        await writeFile(other, Buffer.alloc(BIG, 7));
        while ((await ask(served.url, target, { method: 'HEAD' })).status !== 200)
          await new Promise((resolve) => setTimeout(resolve, 20));
      }
    } finally {
      await rm(kept, { force: true });
      await rm(other, { force: true });
    }
  });
});
