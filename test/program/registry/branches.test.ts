import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { generated } from '../../support/hub/content/content.ts';
import { mixtral, mixtralPage } from '../../support/registry/fixtures/mixtral.ts';
import { indexOf, ollamaModel, pushed } from '../../support/registry/model.ts';
import { Registry } from '../../support/registry/registry.ts';
import { Workspace } from '../../support/run-program.ts';

let registry: Registry;
let workspace: Workspace;
const name = () => `ollama://${registry.host}/library/mixtral`;

beforeAll(async () => {
  registry = await Registry.start({ like: 'ollama', models: { 'library/mixtral': await mixtral() } });
  workspace = await Workspace.open();
});

afterAll(async () => {
  await registry[Symbol.asyncDispose]();
  await workspace[Symbol.asyncDispose]();
});

interface JsonRow {
  readonly revision: string;
  readonly commit: string;
  readonly kind: string;
  readonly bytes: number;
  readonly sameAs?: readonly string[];
  readonly facts: Readonly<Record<string, { readonly value: unknown; readonly origin: string }>>;
  readonly fit?: { readonly fits: boolean };
}

async function rowsOf(...words: string[]): Promise<JsonRow[]> {
  const { stdout, exit } = await workspace.run(['branches', name(), '--json', ...words]);
  expect(exit).toBe(0);
  const { rows, repo } = JSON.parse(stdout);
  expect(repo).toEqual({ type: 'model', source: 'ollama', id: `${registry.host}/library/mixtral` });
  return rows;
}

describe('the tags of mixtral', () => {
  test('are the page of the library, field by field', async () => {
    const page = mixtralPage();
    expect(page).toHaveLength(55);
    const rows = await rowsOf('--sort', 'hub');
    expect(rows.map(({ revision }) => revision)).toEqual(page.map(({ tag }) => tag));
    const digests = new Map<string, string>();
    for (const [index, row] of rows.entries()) {
      const { arch, parameters, quantisation, gigabytes, params, template, digest } = page[index]!;
      const { facts } = row;
      expect({
        kind: row.kind,
        arch: facts['architecture'],
        parameters: facts['parameterLabel'],
        quantisation: facts['quantisation'],
        format: facts['format'],
        params: facts['params'],
        template: facts['template'],
        gigabytes: Math.floor(row.bytes / 1e9),
      }).toEqual({
        kind: 'tag',
        arch: { value: arch, origin: 'config blob' },
        parameters: { value: parameters, origin: 'config blob' },
        quantisation: { value: quantisation, origin: 'config blob' },
        format: { value: 'gguf', origin: 'config blob' },
        params: params && { value: params, origin: 'params.json' },
        template: template && { value: template, origin: 'template' },
        gigabytes,
      });
      expect(row.commit).toMatch(/^sha256:[0-9a-f]{64}$/);
      // The same digest on the page is the same manifest here, and another one another.
      expect(digests.get(digest) ?? row.commit).toBe(row.commit);
      digests.set(digest, row.commit);
      const others = page.filter((other) => other.digest === digest && other.tag !== page[index]!.tag);
      expect(row.sameAs ?? []).toEqual(others.map(({ tag }) => tag));
    }
    expect(new Set(digests.values()).size).toBe(48);
  });

  test('cost the page, a manifest each, and each small blob once; the second look no blob', async () => {
    const env = { XDG_CACHE_HOME: workspace.path('cache') };
    const look = () => workspace.run(['branches', name(), '--json'], { env });
    registry.log.length = 0;
    expect((await look()).exit).toBe(0);
    expect([registry.count('page'), registry.count('manifest')]).toEqual([1, 55]);
    const blobs = registry.log.filter(({ kind }) => kind === 'blob').map(({ url }) => url);
    expect(new Set(blobs).size).toBe(blobs.length);
    expect(registry.blobBytes).toBeLessThan(1_000_000);
    registry.log.length = 0;
    expect((await look()).exit).toBe(0);
    expect([registry.count('page'), registry.count('blob'), registry.count('storage')]).toEqual([1, 0, 0]);
  });

  test('are a table that says which tags are one manifest', async () => {
    const { stdout, exit } = await workspace.run(['branches', name(), '--sort', 'hub']);
    expect(exit).toBe(0);
    const lines = stdout.split('\n');
    const head = lines.find((line) => line.startsWith('TAG')) ?? '';
    expect(head.split(/ {2,}/)).toEqual([
      'TAG',
      'DIGEST',
      'SIZE',
      'ARCH',
      'PARAMS',
      'QUANT',
      'FORMAT',
      'SAME AS',
    ]);
    const latest = lines.find((line) => line.startsWith('latest')) ?? '';
    expect(latest.split(/ {2,}/).slice(2)).toEqual([
      '26.0 GB',
      'llama',
      '47B',
      '4-bit',
      'GGUF',
      expect.stringContaining('8x7b'),
    ]);
    expect(stdout).toMatch(/^one manifest, [0-9a-f]{12}: latest, 8x7b/m);
  });

  test('fit into 80 columns, as docs/registries.md shows them', async () => {
    const { stdout } = await workspace.run(['branches', name()], { env: { COLUMNS: '80' } });
    const lines = stdout.split('\n');
    for (const line of lines.slice(1)) expect(line.length).toBeLessThanOrEqual(80);
    const page = readFileSync(new URL('../../../docs/registries.md', import.meta.url), 'utf8');
    const shown = /```text\n([\s\S]*?)\n```/.exec(page)?.[1]?.split('\n') ?? [];
    expect(shown.length).toBeGreaterThan(8);
    for (const line of shown) if (line !== '…') expect(lines).toContain(line);
  });

  test('one of them in full has its template, params and licence', async () => {
    const { stdout, exit } = await workspace.run(['branches', `${name()}:8x22b`]);
    expect(exit).toBe(0);
    expect(stdout).toContain('[INST] {{ if .System }}{{ .System }} {{ end }}{{ .Prompt }} [/INST]');
    expect(stdout).toContain('{"stop":["[INST]","[/INST]"]}');
    expect(stdout).toContain('licence (license)\n  Apache License');
    expect(stdout).toMatch(/^architecture +llama \(config blob\)$/m);
    expect(stdout).toMatch(/^weights .* \(manifest\)$/m);
    expect(stdout).toMatch(/^parameters +141B \(config blob\)$/m);
    const byOption = await workspace.run(['branches', name(), '--revision', '8x22b']);
    expect(byOption.stdout).toBe(stdout);
  });

  test('--fits ranks the tags, and a download picks the best', async () => {
    const rows = await rowsOf('--fits', '48G');
    const fitting = rows.filter(({ fit }) => fit?.fits);
    expect(fitting.length).toBeGreaterThan(5);
    expect(rows.slice(0, fitting.length)).toEqual(fitting);
    for (const row of fitting) expect(row.bytes).toBeLessThan(48e9);
    expect(fitting[0]!.revision).toMatch(/q6_K/);
    const dry = await workspace.run([name(), '--fits', '48G', '--yes', '--dry-run']);
    expect(dry.exit).toBe(0);
    expect(dry.stderr).toContain(fitting[0]!.revision);
  });

  test('a page that cannot be read says how to name a tag', async () => {
    registry.fault({ on: 'page', effect: { kind: 'status', status: 200, body: '<html>moved</html>' } });
    const failed = await workspace.run(['branches', name(), '--retries', '1']);
    registry.faults.clear();
    expect(failed.exit).toBe(6);
    expect(failed.stderr).toContain(`/library/mixtral/tags`);
    expect(failed.stderr).toContain(`fetch ${name()}:TAG`);
  });
});

test('a tag whose manifest cannot be used is a row that says why, and one that is gone is none', async () => {
  const tiny = await ollamaModel(generated('good', 3000));
  const models = { bad: tiny, good: tiny, gone: tiny, same: tiny };
  await using oci = await Registry.start({ like: 'oci', models: { 'ai/odd': models } });
  oci.fault({
    on: 'manifest',
    url: '/bad',
    effect: { kind: 'status', status: 200, body: '{"schemaVersion":1}' },
  });
  oci.fault({ on: 'manifest', url: '/gone', effect: { kind: 'status', status: 404 } });
  const { stdout, exit } = await workspace.run([
    'branches',
    `oci://${oci.host}/ai/odd`,
    '--json',
    '--sort',
    'name',
  ]);
  expect(exit).toBe(0);
  const { rows } = JSON.parse(stdout) as { rows: JsonRow[] };
  expect(rows).toMatchObject([
    { revision: 'bad', commit: '', problems: [expect.stringContaining('schemaVersion is 1')] },
    { revision: 'good', commit: tiny.digest, sameAs: ['same'], problems: [] },
    { revision: 'same', commit: tiny.digest, sameAs: ['good'] },
  ]);
  const table = await workspace.run(['branches', `oci://${oci.host}/ai/odd`]);
  expect(table.stdout).toMatch(/^TAG +DIGEST/m);
  expect(table.stdout).toMatch(/^bad: .*schemaVersion is 1/m);
});

test('of a thousand tags 200 are looked at, and the others are counted', async () => {
  const tiny = await ollamaModel(generated('one of many', 300));
  const tags = Array.from({ length: 1200 }, (_, index) => [`v${1000 + index}`, tiny] as const);
  await using oci = await Registry.start({ like: 'oci', models: { 'ai/all': Object.fromEntries(tags) } });
  const { stdout } = await workspace.run(['branches', `oci://${oci.host}/ai/all`, '--json']);
  const { rows, notes } = JSON.parse(stdout) as { rows: JsonRow[]; notes: string[] };
  expect(rows).toHaveLength(200);
  expect(notes[0]).toBe('1000 more tags are not shown');
  expect(oci.count('manifest')).toBe(200);
});

test('Ctrl-C while the page of the model is awaited is not a page that cannot be read', async () => {
  registry.fault({ on: 'page', effect: { kind: 'stall' } });
  const asked = registry.count('page');
  const program = workspace.start(['branches', name()]);
  await program.until('the page is asked for', () => registry.count('page') > asked);
  program.kill('SIGINT');
  const { exit, stderr } = await program.ended;
  registry.faults.clear();
  expect(exit).toBe(130);
  expect(stderr).not.toContain('cannot be read');
});

test('an OCI registry: tags of several pages, configs of others, an index and a cloud say what they are', async () => {
  const docker = await pushed({
    form: 'oci',
    configType: 'application/vnd.docker.ai.model.config.v0.1+json',
    config: {
      config: {
        format: 'gguf',
        quantization: 'IQ2_XXS/Q4_K_M',
        parameters: '361.82 M',
        architecture: 'llama',
        size: '256 MiB',
      },
    },
    layers: [{ type: 'application/vnd.docker.ai.gguf.v3', content: generated('docker', 5000) }],
  });
  const ollama = await ollamaModel(generated('o', 3000));
  const cloud = await pushed({ layers: [], config: { remote_host: 'https://ollama.com' } });
  const models = { a: docker, b: docker, c: indexOf([docker, ollama]), d: ollama, e: cloud };
  await using oci = await Registry.start({ like: 'oci', models: { 'ai/many': models }, tagsPerPage: 2 });
  const { stdout, exit } = await workspace.run([
    'branches',
    `oci://${oci.host}/ai/many`,
    '--json',
    '--sort',
    'name',
  ]);
  expect(exit).toBe(0);
  const { rows } = JSON.parse(stdout) as { rows: JsonRow[] };
  expect(oci.count('tags')).toBe(3);
  expect(rows.map(({ revision }) => revision)).toEqual(['a', 'b', 'c', 'd', 'e']);
  expect(rows[2]).toMatchObject({
    commit: models.c.digest,
    problems: [expect.stringContaining(ollama.digest)],
  });
  expect(rows[4]).toMatchObject({
    problems: [expect.stringContaining('runs only in a cloud, at ollama.com')],
  });
  expect(rows[0]).toMatchObject({
    sameAs: ['b'],
    facts: {
      architecture: { value: 'llama' },
      parameterLabel: { value: '361.82 M' },
      parameters: { value: 361_820_000 },
      quantisation: { value: 'IQ2_XXS/Q4_K_M' },
    },
  });
});
