import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Run, Workspace } from '../../support/run-program.ts';
import { serveHttp, type TestServer } from '../../support/server.ts';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const INDEX = 'application/vnd.oci.image.index.v1+json';

interface Answer {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}

/** What stands at which path; everything else is not there. */
let answers: Map<string, Answer>;
let asked: { readonly url: string; readonly authorization: string | undefined }[];
let server: TestServer;
let workspace: Workspace;

beforeEach(async () => {
  answers = new Map();
  asked = [];
  server = await serveHttp((request: IncomingMessage, response) => {
    const { url = '', headers } = request;
    asked.push({ url, authorization: headers.authorization });
    const found = answers.get(url);
    if (found === undefined) return response.writeHead(404).end('{"errors":[{"code":"NAME_UNKNOWN"}]}');
    // Without its type, unless the answer has one.
    return response.writeHead(200, { ...found.headers }).end(found.body);
  });
  workspace = await Workspace.open();
});

afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await workspace[Symbol.asyncDispose]();
});

const digestOf = (bytes: string | Buffer) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const name = (tag = '') => `oci://127.0.0.1:${server.port}/models/odd${tag}`;
const run = (...words: string[]): Promise<Run> => workspace.run([...words, '--quiet', '--retries', '2']);

function blob(content: string, more: Record<string, unknown> = {}) {
  const digest = digestOf(content);
  answers.set(`/v2/models/odd/blobs/${digest}`, { body: content });
  return { mediaType: 'application/octet-stream', digest, size: Buffer.byteLength(content), ...more };
}

const titled = (title: string) => ({ annotations: { 'org.opencontainers.image.title': title } });

function manifestOf(...layers: readonly object[]): string {
  return JSON.stringify({ schemaVersion: 2, config: blob('{}'), layers });
}

/** Under its digest, and under a tag if there is one. */
function put(
  body: string | Buffer,
  { tag, ...answer }: Partial<Answer> & { readonly tag?: string } = {},
): string {
  const digest = digestOf(body);
  for (const reference of [digest, ...(tag === undefined ? [] : [tag])])
    answers.set(`/v2/models/odd/manifests/${reference}`, { body, ...answer });
  return digest;
}

describe('manifests', () => {
  test('without a type, and compressed without being asked', async () => {
    const manifest = manifestOf(blob('weights', titled('model.bin')));
    put(manifest, {
      tag: 'latest',
      body: gzipSync(manifest),
      headers: { 'content-encoding': 'gzip', 'docker-content-digest': digestOf(manifest) },
    });
    expect((await run(name())).exit).toBe(0);
    expect(readFileSync(workspace.path('odd/manifest.json'), 'utf8')).toBe(manifest);
    expect(readFileSync(workspace.path('odd/model.bin'), 'utf8')).toBe('weights');
  });

  test('that are small on the way and large here are refused', async () => {
    const body = gzipSync(`{"schemaVersion":2,"x":"${'x'.repeat(64 * 1024 * 1024)}"}`);
    put(body, { tag: 'latest', headers: { 'content-encoding': 'gzip' } });
    expect(await run(name())).toMatchObject({ exit: 6, stdout: '' });
  });

  test('behind an index of an index, without platforms; but not without an end', async () => {
    let digest = put(manifestOf(blob('weights', titled('model.bin'))));
    for (let depth = 1; depth <= 5; depth += 1) {
      const manifests = [{ mediaType: depth === 1 ? MANIFEST : INDEX, digest, size: 1 }];
      digest = put(JSON.stringify({ schemaVersion: 2, manifests }), { tag: `deep-${depth}` });
    }
    expect((await run(name(':deep-2'))).exit).toBe(0);
    expect(readFileSync(workspace.path('odd_deep-2/model.bin'), 'utf8')).toBe('weights');
    const refused = await run(name(':deep-5'));
    expect(refused.exit).toBe(6);
    expect(refused.stderr).toContain('an index names an index');
  });

  test('an index of nothing is no model', async () => {
    put(JSON.stringify({ schemaVersion: 2, manifests: [] }), { tag: 'latest' });
    expect(await run(name())).toMatchObject({ exit: 4, stdout: '' });
  });

  test('one content under several names, an empty file, and unknown kinds', async () => {
    const twice = blob('the same');
    const license = { ...blob('licence'), mediaType: 'application/vnd.ollama.image.license' };
    const layers = [
      { ...twice, ...titled('a/one.txt') },
      { ...twice, ...titled('b/two.txt') },
      license,
      license,
      blob('', titled('empty.txt')),
      blob('strange', { mediaType: 'application/x-strange' }),
    ];
    put(manifestOf(...layers), { tag: 'latest' });
    expect((await run(name())).exit).toBe(0);
    const strange = `layer-${digestOf('strange').slice(7, 19)}`;
    const files = readdirSync(workspace.path('odd'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !entry.parentPath.includes('.cache'))
      .map((file) => file.name);
    expect(files.sort()).toEqual(
      [
        'one.txt',
        'two.txt',
        'license',
        'license-2',
        'empty.txt',
        strange,
        'config.json',
        'manifest.json',
      ].sort(),
    );
    expect((await run('verify', 'odd')).exit).toBe(0);
  });
});

describe('lists of tags', () => {
  const list = (query: string, tags: readonly string[], link?: string) =>
    answers.set(`/v2/models/odd/tags/list${query}`, {
      headers: { ...(link === undefined ? {} : { link }) },
      body: JSON.stringify({ name: 'models/odd', tags }),
    });
  const listed = () => asked.filter(({ url }) => url.includes('/tags/list'));

  test('that lead to themselves end', async () => {
    list('?n=1000', ['v1'], '</v2/models/odd/tags/list?n=1000>; rel="next"');
    const refused = await run('branches', name());
    expect(refused).toMatchObject({ exit: 6, stdout: '' });
    expect(refused.stderr).toContain('without an end');
    expect(listed()).toHaveLength(2);
  });

  test('that lead to another host stay with their own', async () => {
    await using elsewhere = await serveHttp((_, response) => response.end('{"tags":["evil"]}'));
    list('?n=1000', ['v1'], `<${elsewhere.origin}/v2/models/odd/tags/list?n=1000&last=v1>; rel="next"`);
    list('?n=1000&last=v1', ['v2']);
    put(manifestOf(blob('x', titled('x'))), { tag: 'v1' });
    put(manifestOf(blob('y', titled('y'))), { tag: 'v2' });
    const { stdout } = await run('branches', name(), '--json', '--sort', 'name');
    expect(JSON.parse(stdout).rows).toMatchObject([{ revision: 'v1' }, { revision: 'v2' }]);
    expect(elsewhere.connections).toBe(0);
  });

  test('that have no tags, or tags that cannot be', async () => {
    list('?n=1000', ['../../x', 'a b', '']);
    expect(await run('branches', name())).toMatchObject({ exit: 4, stdout: '' });
    answers.set('/v2/models/odd/tags/list?n=1000', { body: '{"name":"models/odd","tags":null}' });
    expect(await run('branches', name())).toMatchObject({ exit: 4, stdout: '' });
  });
});
