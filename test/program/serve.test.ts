import { appendFile, cp, readFile, rename, symlink, utimes, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compareWithTruth } from '../support/hub/compare.ts';
import { generated } from '../support/hub/content/content.ts';
import { oddNames } from '../support/hub/fixtures/odd.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { gitFile, lfsFile, xetFile } from '../support/hub/repositories/file.ts';
import { Workspace } from '../support/run-program.ts';
import { SMALL_FILES, startServing } from '../support/serving.ts';

const ID = 'tests/served';
const SIZE = 3_000_000;
const FILES = [
  ...SMALL_FILES,
  lfsFile('tokenizer.model', generated('served tokenizer', 300_001)),
  xetFile('model.safetensors', generated('served', SIZE)),
];

let hub: Hub;
let staged: Workspace;

beforeAll(async () => {
  hub = await startHub({
    repositories: [
      { id: ID, branches: { main: FILES, 'a/b': [...FILES, gitFile('more.txt', 'more\n')] } },
      oddNames(),
    ],
  });
  staged = await Workspace.open({ endpoint: hub.origin });
  for (const words of [
    [ID],
    [ID, '--revision', 'a/b', '--local-dir', 'branch'],
    ['tests/odd-names', '--local-dir', 'odd'],
  ]) {
    const run = await staged.run(words);
    if (run.exit !== 0) throw new Error(run.stderr);
  }
});

afterAll(async () => {
  await staged[Symbol.asyncDispose]();
  await hub.close();
});

interface Entry {
  readonly type: string;
  readonly path: string;
  readonly size: number;
  readonly oid: string;
  readonly lfs?: { readonly oid: string };
}

interface Info {
  readonly sha: string;
  readonly siblings: readonly { readonly rfilename: string }[];
}

async function json<Body>(
  url: string,
  init?: RequestInit,
): Promise<{ readonly status: number; readonly headers: Headers; readonly body: Body }> {
  const answer = await fetch(url, init);
  return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Body };
}

describe('the documents of a hub', () => {
  test('info, revisions, refs, trees with pages, and paths-info', async () => {
    await using served = await startServing(staged, ['served', 'branch']);
    const api = `${served.url}/api/models/${ID}`;
    const truth = await hub.truth(ID);
    const theirs = await json<Entry[]>(`${hub.origin}/api/models/${ID}/tree/main?recursive=true`);
    const info = await json<Info>(api);
    expect(info).toMatchObject({ status: 200, body: { id: ID, private: false, gated: false } });
    expect(info.body.siblings.map((one) => one.rfilename).toSorted()).toEqual(
      truth.map(({ path }) => path).toSorted(),
    );
    const { sha } = info.body;
    for (const revision of ['main', 'HEAD', sha, sha.slice(0, 7)]) {
      expect((await json<Info>(`${api}/revision/${revision}`)).body.sha).toBe(sha);
    }
    const other = (await json<Info>(`${api}/revision/a%2Fb`)).body.sha;
    expect(other).not.toBe(sha);
    expect((await json<Info>(`${api}/revision/a/b`)).body.sha).toBe(other);
    expect((await json<unknown>(`${api}/refs`)).body).toEqual({
      tags: [],
      branches: [
        { name: 'a/b', ref: 'refs/heads/a/b', targetCommit: other },
        { name: 'main', ref: 'refs/heads/main', targetCommit: sha },
      ],
      converts: [],
    });
    // The same entries as the hub has, but for what only git or Xet know.
    const tree = await json<Entry[]>(`${api}/tree/main?recursive=true`);
    const plain = (entries: readonly Entry[]) =>
      entries.map(({ type, path, size, oid, lfs }) => ({
        type,
        path,
        size,
        lfs,
        oid: type === 'file' ? oid : '',
      }));
    expect(plain(tree.body)).toEqual(
      plain(theirs.body).toSorted((left, right) => (left.path < right.path ? -1 : 1)),
    );
    const pages: Entry[] = [];
    let next: string | undefined = `${api}/tree/main?recursive=true&limit=2`;
    while (next !== undefined) {
      const page: Awaited<ReturnType<typeof json<Entry[]>>> = await json<Entry[]>(next);
      expect(page.body.length).toBeLessThanOrEqual(2);
      pages.push(...page.body);
      next = /<([^>]+)>; rel="next"/.exec(page.headers.get('link') ?? '')?.[1];
    }
    expect(pages).toEqual(tree.body);
    expect((await json<Entry[]>(`${api}/tree/main/deep`)).body.map((one) => one.path)).toEqual(['deep/er']);
    expect((await json<Entry[]>(`${api}/tree/main`)).body.map((one) => one.path)).toEqual([
      'config.json',
      'deep',
      'empty.txt',
      'model.safetensors',
      'tokenizer.model',
    ]);
    const paths = ['deep/er', 'config.json', 'nothing'];
    const asJson = await json<Entry[]>(`${api}/paths-info/main`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ paths, expand: true }),
    });
    const asForm = await json<Entry[]>(`${api}/paths-info/main`, {
      method: 'POST',
      body: new URLSearchParams([
        ...paths.map((path): [string, string] => ['paths', path]),
        ['expand', 'false'],
      ]),
    });
    expect(asJson.body.map((one) => one.path)).toEqual(['deep/er', 'config.json']);
    expect(asForm.body).toEqual(asJson.body);
  });

  test('what is not here is 404 with the code of the Hub, whatever the token', async () => {
    await using served = await startServing(staged, ['served']);
    const codeOf = async (path: string) => {
      const answer = await fetch(served.url + path, { headers: { authorization: 'Bearer hf_secret' } });
      await answer.arrayBuffer();
      return [answer.status, answer.headers.get('x-error-code')];
    };
    expect(await codeOf('/api/models/tests/other')).toEqual([404, 'RepoNotFound']);
    expect(await codeOf(`/api/datasets/${ID}`)).toEqual([404, 'RepoNotFound']);
    expect(await codeOf(`/api/models/${ID}/revision/other`)).toEqual([404, 'RevisionNotFound']);
    expect(await codeOf(`/api/models/${ID}/tree/main/other`)).toEqual([404, 'EntryNotFound']);
    expect(await codeOf(`/${ID}/resolve/main/other.txt`)).toEqual([404, 'EntryNotFound']);
    expect(await codeOf(`/${ID}/resolve/other/config.json`)).toEqual([404, 'RevisionNotFound']);
    expect(await codeOf('/')).toEqual([404, null]);
    const put = await fetch(`${served.url}/${ID}/resolve/main/config.json`, { method: 'PUT', body: 'x' });
    expect([put.status, put.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  });
});

describe('files', () => {
  test('heads and ranges', async () => {
    await using served = await startServing(staged, ['served']);
    const tree = (await json<Entry[]>(`${hub.origin}/api/models/${ID}/tree/main?recursive=true`)).body;
    const oids = new Map(tree.map(({ path, oid, lfs }) => [path, lfs?.oid ?? oid]));
    const { sha } = (await json<Info>(`${served.url}/api/models/${ID}`)).body;
    const ask = async (path: string, headers: Record<string, string> = {}, method = 'GET') => {
      const answer = await fetch(`${served.url}/${ID}/resolve/main/${path}`, { headers, method });
      const { status } = answer;
      return { status, headers: answer.headers, bytes: Buffer.from(await answer.arrayBuffer()) };
    };
    for (const path of ['config.json', 'model.safetensors', 'empty.txt']) {
      const whole = await readFile(staged.path('served', path));
      const head = await ask(path, {}, 'HEAD');
      const body = await ask(path);
      expect(body.bytes.equals(whole)).toBe(true);
      expect([head.status, head.bytes.length]).toEqual([200, 0]);
      for (const { headers } of [head, body]) {
        const etag = `"${oids.get(path)}"`;
        expect(headers.get('etag')).toBe(etag);
        expect(headers.get('x-linked-etag')).toBe(etag);
        expect(headers.get('x-linked-size')).toBe(String(whole.length));
        expect(headers.get('content-length')).toBe(String(whole.length));
        expect(headers.get('x-repo-commit')).toBe(sha);
        expect(headers.get('x-xet-hash')).toBeNull();
      }
    }
    const model = await readFile(staged.path('served', 'model.safetensors'));
    for (const [range, start, end] of [
      ['bytes=0-0', 0, 1],
      ['bytes=5-1000000', 5, 1_000_001],
      ['bytes=2999990-', SIZE - 10, SIZE],
      ['bytes=-7', SIZE - 7, SIZE],
      ['bytes=2999999-9999999', SIZE - 1, SIZE],
    ] as const) {
      const part = await ask('model.safetensors', { range });
      expect([part.status, part.headers.get('content-range')]).toEqual([
        206,
        `bytes ${start}-${end - 1}/${SIZE}`,
      ]);
      expect(part.bytes.equals(model.subarray(start, end))).toBe(true);
    }
    const beyond = await ask('model.safetensors', { range: `bytes=${SIZE}-` });
    expect([beyond.status, beyond.headers.get('content-range')]).toEqual([416, `bytes */${SIZE}`]);
    const etag =
      beyond.headers.get('etag') ?? (await ask('model.safetensors', {}, 'HEAD')).headers.get('etag')!;
    expect((await ask('model.safetensors', { 'if-none-match': etag })).status).toBe(304);
    expect((await ask('model.safetensors', { range: 'bytes=0-9', 'if-range': etag })).status).toBe(206);
    expect((await ask('model.safetensors', { range: 'bytes=0-9', 'if-range': '"other"' })).status).toBe(200);
    const raw = await fetch(`${served.url}/${ID}/raw/main/tokenizer.model`);
    expect(await raw.text()).toMatch(
      /^version https:\/\/git-lfs.github.com\/spec\/v1\noid sha256:[0-9a-f]{64}\nsize 300001\n$/,
    );
    expect((await fetch(`${served.url}/${ID}/raw/main/config.json`, { method: 'HEAD' })).status).toBe(200);
  });

  test('our own client takes odd names from it, with the hub gone', async () => {
    await using served = await startServing(staged, ['odd']);
    await using other = await Workspace.open({ endpoint: served.url });
    const run = await other.run(['tests/odd-names']);
    expect(run.stderr).not.toContain('error');
    expect(run.exit).toBe(0);
    expect(await compareWithTruth(other.path('odd-names'), await hub.truth('tests/odd-names'))).toEqual([]);
  });
});

describe('what changes on the disk', () => {
  async function stage(): Promise<Workspace> {
    const workspace = await Workspace.open({ endpoint: hub.origin });
    const run = await workspace.run([ID]);
    expect(run.exit).toBe(0);
    return workspace;
  }
  const statusOf = async (url: string, path: string) => {
    const answer = await fetch(`${url}/${ID}/resolve/main/${path}`, { method: 'HEAD' });
    return answer.status;
  };
  const until = async (isSo: () => Promise<boolean>) => {
    while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 20));
  };

  test('a changed, replaced or missing file is 404 and told; the others are served', async () => {
    await using workspace = await stage();
    await using served = await startServing(workspace, ['served']);
    expect(await statusOf(served.url, 'tokenizer.model')).toBe(200);
    await appendFile(workspace.path('served', 'tokenizer.model'), 'x');
    const other = await readFile(workspace.path('served', 'model.safetensors'));
    other[1000]! ^= 1;
    await writeFile(workspace.path('served', 'other'), other);
    await rename(workspace.path('served', 'other'), workspace.path('served', 'model.safetensors'));
    await rename(workspace.path('served', 'config.json'), workspace.path('served', 'moved'));
    await symlink('/etc/hostname', workspace.path('served', 'config.json'));
    for (const path of ['tokenizer.model', 'model.safetensors', 'config.json']) {
      expect(await statusOf(served.url, path)).toBe(404);
    }
    await served.program.until('the change is told', () =>
      ['tokenizer.model', 'model.safetensors', 'config.json'].every((path) =>
        served.program.stderr.includes(`served/${path} has changed since it was verified and is not served`),
      ),
    );
    expect(await statusOf(served.url, 'model.safetensors')).toBe(404);
    expect(await statusOf(served.url, 'deep/er/notes.txt')).toBe(200);
  });

  test('a copied directory is hashed, and then served', async () => {
    await using workspace = await stage();
    await cp(workspace.path('served'), workspace.path('carried'), { recursive: true });
    await utimes(workspace.path('carried', 'model.safetensors'), 1, 1);
    await using served = await startServing(workspace, ['carried']);
    await until(async () => (await statusOf(served.url, 'model.safetensors')) === 200);
    await until(async () => (await statusOf(served.url, 'empty.txt')) === 200);
    expect(served.program.stderr).toContain('5 files were copied or changed since the last verification');
  });

  test('an unfinished directory is not served, a finished run is seen without a restart', async () => {
    await using workspace = await stage();
    await using served = await startServing(workspace, ['served']);
    expect((await workspace.run([ID, '--revision', 'a/b', '--local-dir', 'served'])).exit).toBe(0);
    await until(async () => (await fetch(`${served.url}/api/models/${ID}/revision/a%2Fb`)).status === 200);
    expect((await fetch(`${served.url}/api/models/${ID}/revision/main`)).status).toBe(404);
  });
});

describe('the program', () => {
  test('a missing or strange directory is 4, a bad port 2, a port in use 6', async () => {
    await using served = await startServing(staged, ['served']);
    const port = new URL(served.url).port;
    expect(await staged.run(['serve', 'nothing'])).toMatchObject({ exit: 4, stdout: '' });
    expect(await staged.run(['serve', '.'])).toMatchObject({ exit: 4, stdout: '' });
    expect(await staged.run(['serve', 'served', '--port', '70000'])).toMatchObject({ exit: 2, stdout: '' });
    const used = await staged.run(['serve', 'served', '--port', port]);
    expect(used).toMatchObject({ exit: 6, stdout: '' });
    expect(used.stderr).toContain('another program listens there');
  });

  test.each(['SIGINT', 'SIGTERM'] as const)('%s ends it while clients take files', async (signal) => {
    await using served = await startServing(staged, ['served']);
    const { port } = new URL(served.url);
    // A client that sends half a head, and one that takes no byte.
    const half = connect(Number(port)).on('error', () => {});
    half.write('GET / HTTP/1.1\r\nHost:');
    const slow = connect(Number(port))
      .on('error', () => {})
      .pause();
    slow.write(`GET /${ID}/resolve/main/model.safetensors HTTP/1.1\r\nHost: x\r\n\r\n`);
    served.program.kill(signal);
    const { exit } = await served.program.ended;
    expect(exit).toBe(signal === 'SIGINT' ? 130 : 143);
    half.destroy();
    slow.destroy();
  });

  test('--json names the address and what is served on the first line', async () => {
    await using served = await startServing(staged, ['served', '--json']);
    const first = JSON.parse(served.program.stdout.split('\n', 1)[0]!);
    expect(first).toMatchObject({ event: 'listening', url: served.url, isPublic: false });
    expect(first.revisions).toMatchObject([{ repo: { type: 'model', id: ID }, names: ['main'], files: 5 }]);
  });

  test('the central cache is served', async () => {
    await using workspace = await Workspace.open({ endpoint: hub.origin });
    expect((await workspace.run([ID, '--cache-dir', 'cache'])).exit).toBe(0);
    await using served = await startServing(workspace, ['--cache-dir', 'cache']);
    await using other = await Workspace.open({ endpoint: served.url });
    expect((await other.run([ID])).exit).toBe(0);
    expect(await compareWithTruth(other.path('served'), await hub.truth(ID))).toEqual([]);
  });
});
