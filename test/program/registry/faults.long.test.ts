import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { generated, wholeContent } from '../../support/hub/content/content.ts';
import { journaledBytes } from '../../support/ollama-models.ts';
import { indexOf, ollamaModel, type PushedModel, pushed } from '../../support/registry/model.ts';
import { Registry, type RegistryOptions } from '../../support/registry/registry.ts';
import { jsonLines, Workspace } from '../../support/run-program.ts';

const NAME = 'library/tiny';
const WEIGHTS = generated('weights of tiny', 9_000_013);
const OCI_FILE = 'application/vnd.oci.image.layer.v1.tar';
const titled = (title: string, more: Record<string, string> = {}) => ({
  'org.opencontainers.image.title': title,
  ...more,
});

let registry: Registry;
let workspace: Workspace;
const layerOf = (model: PushedModel, index = 0): string =>
  JSON.parse(model.manifest.toString()).layers[index].digest;

beforeEach(async () => {
  workspace = await Workspace.open();
});

afterEach(async () => {
  await registry[Symbol.asyncDispose]();
  await workspace[Symbol.asyncDispose]();
});

async function serve(model: PushedModel, more: Partial<RegistryOptions> = {}): Promise<string> {
  registry = await Registry.start({ like: 'ollama', models: { [NAME]: { latest: model } }, ...more });
  return `${more.like === 'oci' ? 'oci' : 'ollama'}://${registry.host}/${NAME}`;
}

const quick = ['--quiet', '--retries', '3'];
const run = (words: readonly string[], env: Record<string, string> = {}) =>
  workspace.run([...words, ...quick], { env });

/** Nothing wrong stands under a final name. */
async function expectWeights(): Promise<void> {
  expect(readFileSync(workspace.path('tiny/model.gguf')).equals(await wholeContent(WEIGHTS))).toBe(true);
}

describe('blobs', () => {
  let model: PushedModel;
  beforeEach(async () => {
    model = await ollamaModel(WEIGHTS);
  });

  test('one that is missing is named, and the others come', async () => {
    const name = await serve(model);
    registry.removeBlob(layerOf(model, 1));
    const failed = await run([name]);
    expect(failed.exit).toBe(4);
    expect(failed.stderr).toContain(`template (${layerOf(model, 1).slice(0, 19)})`);
    await expectWeights();
  });

  test('one that the storage does not have is missing too', async () => {
    const name = await serve(model);
    const hex = layerOf(model, 1).slice(7);
    registry.fault({ on: 'storage', url: hex, effect: { kind: 'status', status: 404 } });
    expect(await run([name])).toMatchObject({ exit: 4 });
  });

  test.each([-1, 1])('one of another size is named (%i byte)', async (by) => {
    const name = await serve(model);
    registry.faults.resize(layerOf(model), by);
    const failed = await run([name]);
    expect(failed.exit).toBe(7);
    expect(failed.stderr).toContain(`model.gguf (${layerOf(model).slice(0, 19)})`);
    expect(workspace.has('tiny/model.gguf')).toBe(false);
  });

  test('one of another size is found where the registry serves it itself', async () => {
    const name = await serve(model, { redirects: false });
    registry.faults.resize(layerOf(model), 5);
    expect((await run([name])).exit).toBe(7);
  });

  test('damaged once, it is fetched again; damaged always, it is refused', async () => {
    const name = await serve(model);
    const hex = layerOf(model).slice(7);
    registry.fault({ on: 'storage', url: hex, after: 2, times: 1, effect: { kind: 'corrupt' } });
    expect((await run([name])).exit).toBe(0);
    await expectWeights();
    registry.fault({ on: 'storage', url: hex, effect: { kind: 'corrupt' } });
    expect((await run([name, '--force-download', '--no-reuse'])).exit).toBe(7);
    await expectWeights();
  });

  test('addresses that expire in the middle are asked for again', async () => {
    const name = await serve(model, { addressSeconds: 1 });
    registry.fault({ on: 'storage', effect: { kind: 'slow', rate: 800_000 } });
    expect((await run([name, '--connections', '2'])).exit).toBe(0);
    await expectWeights();
  });

  test('resets and refusals pass', async () => {
    const name = await serve(model);
    registry.fault({ on: 'storage', after: 2, times: 3, effect: { kind: 'reset', at: 200_000 } });
    registry.fault({ on: 'blob', times: 1, effect: { kind: 'status', status: 503 } });
    registry.fault({ on: 'manifest', times: 1, effect: { kind: 'reset' } });
    expect((await run([name])).exit).toBe(0);
    await expectWeights();
  });

  test('a tag that moves in the middle does not matter: the run is about one manifest', async () => {
    const name = await serve(model);
    const other = await ollamaModel(generated('other', 8_000_001));
    registry.fault({ on: 'storage', effect: { kind: 'slow', rate: 20_000_000 } });
    const program = workspace.start([name, ...quick]);
    await program.until('a blob is asked for', () => registry.count('blob') > 0);
    registry.move(NAME, 'newer', other);
    registry.move(NAME, 'old', model);
    registry.move(NAME, 'latest', other);
    expect((await program.ended).exit).toBe(0);
    await expectWeights();
  });

  test('a killed run goes on where it was', async () => {
    const name = await serve(model);
    registry.fault({ on: 'storage', after: 5, times: 40, effect: { kind: 'slow', rate: 4_000_000 } });
    const program = workspace.start([name, ...quick, '--connections', '2']);
    await program.until('some are on the disk', () => journaledBytes(workspace.path('tiny')) > 2_000_000);
    program.kill('SIGKILL');
    await program.ended;
    registry.faults.clear();
    const second = await workspace.run([name, '--json']);
    const lines = jsonLines(second.stdout);
    const planned = lines.find(({ event }) => event === 'planned') as unknown as {
      bytes: number;
      held: number;
    };
    expect(planned.held).toBeGreaterThan(1_000_000);
    expect(lines.at(-1)).toMatchObject({ event: 'done', fetched: planned.bytes - planned.held });
    await expectWeights();
  });
});

describe('manifests', () => {
  const nonsense: readonly [string, string, number][] = [
    ['broken JSON', '{"schemaVersion":2,', 6],
    ['a page', '<!doctype html><title>login</title>', 6],
    ['the old form', '{"schemaVersion":1,"fsLayers":[]}', 6],
    [
      'a digest that climbs',
      '{"schemaVersion":2,"config":{"digest":"sha256:../../x","size":1},"layers":[]}',
      6,
    ],
    ['too many layers', `{"schemaVersion":2,"layers":[${'{"digest":""},'.repeat(20_002)}`, 6],
    ['too many bytes', `{"schemaVersion":2,"x":"${'x'.repeat(33 * 1024 * 1024)}"}`, 6],
  ];
  test.each(nonsense)('%s is refused', async (_, body, exit) => {
    const name = await serve(await ollamaModel(WEIGHTS));
    registry.fault({ on: 'manifest', effect: { kind: 'status', status: 200, body } });
    expect(await run([name])).toMatchObject({ exit, stdout: '' });
    expect(workspace.has('tiny')).toBe(false);
  });

  test('damaged once it is asked for again; where digest and bytes always differ, it is refused', async () => {
    const model = await ollamaModel(WEIGHTS);
    const name = await serve(model, { like: 'oci', redirects: true });
    registry.fault({ on: 'manifest', times: 1, effect: { kind: 'corrupt' } });
    expect((await run([name])).exit).toBe(0);
    registry.fault({ on: 'manifest', effect: { kind: 'corrupt' } });
    expect((await run([`${name}@${model.digest}`])).exit).toBe(7);
  });

  test('a model that runs in a cloud only has nothing to fetch, and that is said', async () => {
    const config = { remote_host: 'https://ollama.com:443', remote_model: 'gpt-oss:120b' };
    const name = await serve(await pushed({ layers: [], config }));
    const refused = await run([name]);
    expect(refused.exit).toBe(4);
    expect(refused.stderr).toContain('runs only in a cloud, at ollama.com');
    expect(workspace.has('tiny')).toBe(false);
  });

  test.each([
    '../outside',
    '/etc/passwd',
    '.cache/fetch/manifest.json',
    'a/../../b',
    'a\\b',
    'a\nb',
    '.git/config',
    ' /x',
  ])('the hostile name %j is refused before a byte', async (title) => {
    const layers = [{ type: OCI_FILE, content: 'x', annotations: titled(title) }];
    const name = await serve(await pushed({ form: 'oci', layers }), { like: 'oci' });
    const refused = await run([name]);
    if (title === ' /x') return expect(refused.exit).toBe(0);
    expect(refused.exit).toBe(8);
    expect(registry.count('blob') + registry.count('storage')).toBe(0);
    expect(readdirSync(workspace.directory)).toEqual([]);
  });

  test('an archive is refused by name before a byte, unless others are asked for', async () => {
    const unpack = titled('data', { 'io.deis.oras.content.unpack': 'true' });
    const layers = [
      { type: OCI_FILE, content: '# About\n', annotations: titled('README.md') },
      { type: `${OCI_FILE}+gzip`, content: 'tar', annotations: unpack },
    ];
    const name = await serve(await pushed({ form: 'oci', layers }), { like: 'oci' });
    const refused = await run([name]);
    expect(refused.exit).toBe(4);
    expect(refused.stderr).toContain('data of');
    expect((await run(['lock', name])).exit).toBe(4);
    expect(registry.count('blob') + registry.count('storage')).toBe(0);
    expect((await run([name, 'README.md'])).exit).toBe(0);
    expect((await run([name, '--exclude', 'data', '--local-dir', 'rest'])).exit).toBe(0);
  });

  test('an index of one is followed, one of several names them all', async () => {
    const one = await ollamaModel(WEIGHTS);
    const two = await ollamaModel(generated('two', 1000));
    const name = await serve(indexOf([one]), { like: 'oci', redirects: true });
    expect((await run([name])).exit).toBe(0);
    await expectWeights();
    const recorded = JSON.parse(readFileSync(workspace.path('tiny/.cache/fetch/manifest.json'), 'utf8'));
    expect(recorded.commit).toBe(indexOf([one]).digest);
    registry.move(NAME, 'both', indexOf([one, two]));
    const several = await run([`${name}:both`]);
    expect(several.exit).toBe(2);
    for (const { digest } of [one, two]) expect(several.stderr).toContain(digest);
    expect((await run([`${name}@${two.digest}`])).exit).toBe(0);
  });
});

describe('credentials', () => {
  let model: PushedModel;
  beforeEach(async () => {
    model = await ollamaModel(generated('private', 500_009));
  });
  const leaks = () =>
    registry.log.filter(({ host, authorization }) => host === 'storage' && authorization !== undefined);
  const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;

  test('a Bearer challenge is answered anonymously; the token stays with the registry', async () => {
    const name = await serve(model, { access: { challenge: 'bearer' } });
    expect(
      (await run([name], { HF_TOKEN: 'user:hf_secret', HUGGING_FACE_HUB_TOKEN: 'hf_secret' })).exit,
    ).toBe(0);
    expect(registry.log.filter(({ kind }) => kind === 'token').map((one) => one.authorization)).toEqual([
      undefined,
    ]);
    expect(JSON.stringify(registry.log)).not.toContain(
      Buffer.from('hf_secret').toString('base64').slice(0, 8),
    );
    expect(JSON.stringify(registry.log)).not.toContain('hf_secret');
    expect(leaks()).toEqual([]);
  });

  test.each(['bearer', 'basic'] as const)(
    '%s with a user and a password that has a colon',
    async (challenge) => {
      const user = { user: 'me', password: 'pass:word' };
      const name = await serve(model, { access: { challenge, ...user } });
      expect((await run([name])).exit).toBe(5);
      expect((await run([name, '--token', 'me:wrong'])).exit).toBe(5);
      const good = await run([name, '--token', 'me:pass:word', '--verbose']);
      expect(good.exit).toBe(0);
      expect(
        good.stderr + readFileSync(workspace.path('tiny/.cache/fetch/manifest.json'), 'utf8'),
      ).not.toMatch(/pass:word/);
      const sent = registry.log.filter(({ authorization }) => authorization === basic('me:pass:word'));
      expect(new Set(sent.map(({ kind }) => kind))).toEqual(
        new Set(challenge === 'bearer' ? ['token'] : ['manifest', 'blob']),
      );
      expect(leaks()).toEqual([]);
    },
  );

  test('the login of docker is used for its own host, and helpers are not run', async () => {
    const name = await serve(model, { access: { challenge: 'bearer', user: 'me', password: 'word' } });
    const { mkdir, writeFile } = await import('node:fs/promises');
    await mkdir(workspace.path('docker'));
    const auth = Buffer.from('me:word').toString('base64');
    const write = (auths: object) =>
      writeFile(
        workspace.path('docker/config.json'),
        JSON.stringify({ auths, credsStore: 'does-not-exist' }),
      );
    const env = { DOCKER_CONFIG: workspace.path('docker') };
    await write({ 'elsewhere.example': { auth } });
    expect((await run([name], env)).exit).toBe(5);
    await write({ 'elsewhere.example': { auth: 'eDp5' }, [registry.host]: { auth } });
    expect((await run([name], env)).exit).toBe(0);
  });

  test('a token that ends in mid run is renewed', async () => {
    const name = await serve(model, { access: { challenge: 'bearer', usesPerToken: 5 } });
    expect((await run([name])).exit).toBe(0);
    expect(registry.count('token')).toBeGreaterThan(1);
    const direct = await ollamaModel(WEIGHTS);
    await registry[Symbol.asyncDispose]();
    const second = await serve(direct, {
      redirects: false,
      access: { challenge: 'bearer', usesPerToken: 6 },
    });
    expect((await run([second, '--local-dir', 'tiny', '--replace-repo', '--connections', '4'])).exit).toBe(0);
    await expectWeights();
  });
});
