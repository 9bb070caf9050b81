import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { guarded, manyRevisions } from '../support/hub/fixtures/various.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { Workspace } from '../support/run-program.ts';
import { serveTcp } from '../support/server.ts';

const REPO = 'tests/revisions';

let hub: Hub;

beforeAll(async () => {
  const tokens = [{ token: 'hf_reader', user: 'reader', access: 'all' as const }];
  hub = await startHub({ repositories: [manyRevisions(), ...guarded()], tokens });
});

afterAll(() => hub.close());

async function put(path: string, value: unknown): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, typeof value === 'string' ? value : JSON.stringify(value));
}

interface Config {
  readonly files: readonly string[];
  readonly settings: Readonly<Record<string, { value: unknown; origin: string }>>;
}

async function config(
  workspace: Workspace,
  words: string[] = [],
  env: Record<string, string> = {},
): Promise<Config> {
  const run = await workspace.run(['config', '--json', ...words], { env });
  expect(run).toMatchObject({ exit: 0, stderr: '' });
  return JSON.parse(run.stdout);
}

test('flag, environment, project file, user file, default: the first that says something', async () => {
  await using workspace = await Workspace.open();
  const project = workspace.path('fetch.config.json');
  const user = `${workspace.home}/.config/fetch/config.json`;
  await put(user, { endpoint: 'https://user.example', connections: 3, retries: 5, directory: '~/models' });
  const stepwise = async (...step: Parameters<typeof config>) => (await config(...step)).settings;
  expect((await stepwise(workspace))['endpoint']).toEqual({ value: 'https://user.example', origin: user });
  await put(project, { endpoint: 'https://project.example/', connections: '4', limitRate: '20M' });
  const settings = await stepwise(workspace);
  expect(settings).toMatchObject({
    endpoint: { value: 'https://project.example', origin: project },
    connections: { value: 4, origin: project },
    limitRate: { value: 20_000_000, origin: project },
    retries: { value: 5, origin: user },
    directory: { value: `${workspace.home}/models`, origin: user },
    stallTimeout: { value: 30, origin: 'default' },
  });
  const env = { HF_ENDPOINT: 'https://variable.example' };
  expect((await stepwise(workspace, [], env))['endpoint']).toMatchObject({ origin: 'HF_ENDPOINT' });
  const words = ['--endpoint', 'https://flag.example'];
  expect((await stepwise(workspace, words, env))['endpoint']).toMatchObject({ origin: '--endpoint' });
  expect((await config(workspace)).files).toEqual([project, user]);
});

test('the project file is found from a directory below, and a default directory lies beside it', async () => {
  await using workspace = await Workspace.open();
  await put(workspace.path('fetch.config.json'), { endpoint: hub.origin, directory: 'models' });
  await put(workspace.path('.git/HEAD'), '');
  await mkdir(workspace.path('deep/er'), { recursive: true });
  const command = ['sh', '-c', 'cd deep/er && exec "$@"', '-', process.execPath];
  const { PROGRAM } = await import('../support/run-program.ts');
  const run = await workspace.run([PROGRAM, REPO, '--quiet'], { command });
  expect(run).toMatchObject({ exit: 0, stdout: `${workspace.path('models/revisions')}\n` });
});

test('no token goes to an endpoint that only a project names', async () => {
  await using workspace = await Workspace.open();
  await put(workspace.path('fetch.config.json'), { endpoint: hub.origin });
  const env = { HF_TOKEN: 'hf_reader' };
  hub.log.clear();
  const run = await workspace.run([REPO, '--progress', 'none'], { env });
  expect(run.exit).toBe(0);
  expect(run.stderr).toContain(
    `fetch: no token is sent to ${hub.origin}: only the settings file of the project`,
  );
  expect(hub.log.where().filter((entry) => entry.authorization !== 'none')).toEqual([]);
  const words = ['tests/private', '--quiet'];
  expect((await workspace.run(words, { env })).exit).toBe(5);
  expect((await workspace.run(words, { env: { ...env, HF_ENDPOINT: hub.origin } })).exit).toBe(0);
  await put(`${workspace.home}/.config/fetch/config.json`, { endpoint: hub.origin });
  expect((await workspace.run(words, { env })).exit).toBe(0);
});

test('what a settings file must not say', async () => {
  await using workspace = await Workspace.open();
  const refused = async (value: unknown) => {
    await put(workspace.path('fetch.config.json'), value);
    const { exit, stderr } = await workspace.run(['config']);
    expect(exit).toBe(2);
    return workspace.scrub(stderr);
  };
  expect(await refused('{')).toContain('/work/fetch.config.json is not JSON');
  expect(await refused([])).toContain('is not a JSON object');
  expect(await refused({ conections: 3 })).toContain('Did you mean "connections"?');
  expect(await refused({ token: 'hf_secret' })).not.toContain('hf_secret');
  expect(await refused({ retries: { a: 1 } })).toContain('"retries"');
  expect(await refused({ connections: 0 })).toContain('/work/fetch.config.json takes a whole number');
});

test('fetch config is a table, without anything secret', async () => {
  await using workspace = await Workspace.open({ endpoint: 'https://hub.example' });
  const env = {
    HF_TOKEN: 'hf_secret',
    HTTPS_PROXY: 'http://me:geheim@proxy.example:3128',
    HF_HUB_OFFLINE: '1',
    FETCH_TRANSPORT: '',
  };
  const run = await workspace.run(['config'], { env });
  expect(run.exit).toBe(0);
  expect(run.stdout).toMatchInlineSnapshot(`
    "endpoint      https://hub.example        HF_ENDPOINT
    token         (set)                      HF_TOKEN
    directory     .                          default
    connections   64                         default
    limitRate     -                          default
    retries       8                          default
    stallTimeout  30                         default
    hubTimeout    30                         default
    timeout       -                          default
    protocol      auto                       default
    progress      auto                       default
    offline       true                       HF_HUB_OFFLINE
    onlyHosts     -                          default
    transport     auto                       default
    httpsProxy    http://proxy.example:3128  HTTPS_PROXY
    httpProxy     -                          default
    noProxy       -                          default
    certificates  0                          default
    verbose       false                      default
    quiet         false                      default
    "
  `);
});

test('variables of huggingface_hub', async () => {
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  const env = { HF_HUB_DOWNLOAD_TIMEOUT: '7', HF_HUB_ETAG_TIMEOUT: '8', HF_HUB_DISABLE_PROGRESS_BARS: '1' };
  expect((await config(workspace, [], env)).settings).toMatchObject({
    stallTimeout: { value: 7, origin: 'HF_HUB_DOWNLOAD_TIMEOUT' },
    hubTimeout: { value: 8, origin: 'HF_HUB_ETAG_TIMEOUT' },
    progress: { value: 'none', origin: 'HF_HUB_DISABLE_PROGRESS_BARS' },
  });
  const zero = { HF_HUB_DOWNLOAD_TIMEOUT: '0', HF_HUB_DISABLE_PROGRESS_BARS: '0' };
  expect((await config(workspace, [], zero)).settings).toMatchObject({
    stallTimeout: { value: 30, origin: 'default' },
    progress: { value: 'auto', origin: 'default' },
  });
  expect((await workspace.run([REPO], { env: { HF_HUB_DOWNLOAD_TIMEOUT: 'soon' } })).exit).toBe(2);

  const words = [REPO, 'README.md'];
  const normal = await workspace.run(words);
  expect(normal.stderr).not.toContain('GET ');
  expect((await workspace.run(words, { env: { HF_DEBUG: '1' } })).stderr).toContain('GET ');
  expect((await workspace.run(words, { env: { HF_HUB_VERBOSITY: 'debug' } })).stderr).toContain('GET ');
  expect((await workspace.run(words, { env: { HF_HUB_VERBOSITY: 'error' } })).stderr).toBe('');

  // A hub that accepts and says nothing is given up after the time that was set for it.
  await using silent = await serveTcp(() => {});
  const run = await workspace.run([REPO, '--endpoint', silent.origin, '--retries', '1', '--quiet'], {
    env: { HF_HUB_ETAG_TIMEOUT: '1' },
  });
  expect(run.exit).toBe(6);
  expect(run.stderr).toContain('no byte for 1 s');
});

test('a bad token is named by its place, and by the name that it is stored under', async () => {
  await using workspace = await Workspace.open({ endpoint: hub.origin });
  const home = `${workspace.home}/.cache/huggingface`;
  await put(`${home}/token`, 'hf_wrong\n');
  await put(`${home}/stored_tokens`, '[work]\nhf_token = hf_other\n\n[play]\nhf_token = hf_wrong\n');
  const run = await workspace.run(['tests/private', '--quiet']);
  expect(run.exit).toBe(5);
  expect(workspace.scrub(run.stderr)).toContain('(from /home/.cache/huggingface/token, stored as "play")');
  expect(run.stderr).not.toContain('hf_wrong');
  expect(await readFile(`${home}/token`, 'utf8')).toBe('hf_wrong\n');
});
