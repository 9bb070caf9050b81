import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Authority, makeAuthority } from '../../support/authority.ts';
import { generated, wholeContent } from '../../support/hub/content/content.ts';
import { ollamaModel, type PushedModel } from '../../support/registry/model.ts';
import { Registry, type RegistryOptions } from '../../support/registry/registry.ts';
import { type Run, Workspace } from '../../support/run-program.ts';
import { serveTcp, type TestServer } from '../../support/server.ts';

const WEIGHTS = generated('weights behind TLS', 9_000_013);
const [USER, PASSWORD] = ['me', 'pass:word'];
const BASIC = `Basic ${Buffer.from(`${USER}:${PASSWORD}`).toString('base64')}`;

let authority: Authority | undefined;
let model: PushedModel;
let workspace: Workspace;
let registry: Registry | undefined;
/** The way to the registry by another name and port: a host of its own for the token service. */
let tokens: TestServer;

beforeAll(async () => {
  model = await ollamaModel(WEIGHTS);
});

beforeEach(async () => {
  workspace = await Workspace.open();
  tokens = await serveTcp((socket) => {
    const inner = connect(Number(new URL(registry!.origin).port), '127.0.0.1');
    for (const [one, other] of [
      [socket, inner],
      [inner, socket],
    ] as const)
      one.on('error', () => {}).on('close', () => other.destroy());
    socket.pipe(inner).pipe(socket);
  });
});

afterEach(async () => {
  await registry?.[Symbol.asyncDispose]();
  registry = undefined;
  await tokens[Symbol.asyncDispose]();
  await workspace[Symbol.asyncDispose]();
});

/** A registry behind TLS, its storage and its token service on hosts of their own. Undefined where openssl is missing. */
async function serve(more: Partial<RegistryOptions> = {}): Promise<string | undefined> {
  authority = makeAuthority();
  if (authority === undefined) return undefined;
  registry = await Registry.start({
    like: 'oci',
    redirects: true,
    tls: authority,
    models: { 'models/tiny': { latest: model } },
    access: {
      challenge: 'bearer',
      realm: `https://localhost:${tokens.port}/token`,
      user: USER,
      password: PASSWORD,
    },
    ...more,
  });
  return `oci://${registry.origin}/models/tiny`;
}

function run(...words: string[]): Promise<Run> {
  return workspace.run([...words, '--retries', '2'], { env: { NODE_EXTRA_CA_CERTS: authority!.path } });
}

test('password, token and addresses go each to its own host', async ({ skip }) => {
  const name = await serve();
  if (name === undefined) return skip('openssl is not installed');
  const login = ['--token', `${USER}:${PASSWORD}`];
  const good = await run(name, ...login, '--quiet');
  expect(good).toMatchObject({ exit: 0, stdout: `${workspace.path('tiny')}\n` });
  expect(readFileSync(workspace.path('tiny/model.gguf')).equals(await wholeContent(WEIGHTS))).toBe(true);
  const kinds = (isIt: (value: string | undefined) => boolean) =>
    new Set(registry!.log.filter(({ authorization }) => isIt(authorization)).map(({ kind }) => kind));
  expect(kinds((value) => value === BASIC)).toEqual(new Set(['token']));
  expect(kinds((value) => value?.startsWith('Bearer ') === true)).toEqual(new Set(['manifest', 'blob']));
  expect(registry!.count('storage')).toBeGreaterThan(0);
  expect(kinds((value) => value === undefined)).toEqual(new Set(['manifest', 'storage']));
  const manifest = JSON.parse(readFileSync(workspace.path('tiny/.cache/fetch/manifest.json'), 'utf8'));
  // Loopback is spoken to in plain http unless its name says otherwise, so the name keeps its scheme.
  expect(manifest).toMatchObject({
    endpoint: registry!.origin,
    repo: { id: `${registry!.origin}/models/tiny` },
  });
  expect((await run('verify', 'tiny')).exit).toBe(0);
  const table = await run('branches', name, ...login, '--json');
  expect(JSON.parse(table.stdout).rows).toMatchObject([{ revision: 'latest', commit: model.digest }]);
});

test('a registry whose certificate is unknown here is refused, and the hint says what to do', async ({
  skip,
}) => {
  const name = await serve();
  if (name === undefined) return skip('openssl is not installed');
  const refused = await workspace.run([name, '--quiet', '--retries', '2']);
  expect(refused).toMatchObject({ exit: 6, stdout: '' });
  expect(refused.stderr).toContain('NODE_EXTRA_CA_CERTS');
  expect(registry!.log).toEqual([]);
});

test('blobs are not followed from https to http', async ({ skip }) => {
  const name = await serve({ storageIsOpen: true, access: { challenge: 'bearer' } });
  if (name === undefined) return skip('openssl is not installed');
  const refused = await run(name, '--quiet');
  expect(refused).toMatchObject({ exit: 6, stdout: '' });
  expect(registry!.count('storage')).toBe(0);
});

test('doctor looks at the certificate of the registry', async ({ skip }) => {
  const name = await serve({ access: { challenge: 'bearer' } });
  if (name === undefined) return skip('openssl is not installed');
  const env = { NODE_EXTRA_CA_CERTS: authority!.path };
  const looked = await workspace.run(['doctor', name], { env });
  expect(looked.stdout).toMatch(/^(?:ok|warning) +certificate +TLSv1\.3, signed by Our own authority/m);
  expect(looked.stdout).toMatch(/^ok +content /m);
});
