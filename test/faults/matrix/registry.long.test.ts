import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EXIT_CODES } from '../../../src/cli/process/exit-codes.ts';
import type { ErrorCode } from '../../../src/model/error.ts';
import { generated } from '../../support/hub/content/content.ts';
import type { RegistryEffect, RegistryFault } from '../../support/registry/faults.ts';
import { blobOf, ollamaModel, type PushedModel } from '../../support/registry/model.ts';
import { Registry } from '../../support/registry/registry.ts';
import { Workspace } from '../../support/run-program.ts';
import { endingOf, loadLibrary } from './run-cell.ts';

/** The kinds of request that a pull consists of, in their order. */
const COLUMNS = ['manifest', 'token', 'blob', 'storage'] as const;
/** Those that a table of tags consists of beside them: the list of an OCI registry, and the page of Ollama's. */
const LISTS = ['tags', 'page'] as const;
type Column = (typeof COLUMNS)[number];
type List = (typeof LISTS)[number];

interface Row {
  readonly name: string;
  readonly effect: RegistryEffect;
  /** For ever if left out. */
  readonly times?: number;
  /** The exit code in each column; undefined where the fault cannot meet the request. */
  readonly exits: Readonly<Record<Column | List, number | undefined>>;
}

const status = (code: number, body = ''): RegistryEffect => ({ kind: 'status', status: code, body });
const each = (exit: number, but: Partial<Row['exits']> = {}): Row['exits'] => ({
  manifest: exit,
  token: exit,
  blob: exit,
  storage: exit,
  tags: exit,
  page: exit,
  ...but,
});

const ROWS: readonly Row[] = [
  { name: 'reset before the head, twice', effect: { kind: 'reset' }, times: 2, exits: each(0) },
  { name: 'reset before the head, for ever', effect: { kind: 'reset' }, exits: each(6) },
  // A redirect has no body that could break off.
  {
    name: 'reset in the body, twice',
    effect: { kind: 'reset', at: 20 },
    times: 2,
    exits: each(0, { blob: undefined }),
  },
  // Of the storage each byte counts as progress.
  {
    name: 'reset in the body, for ever',
    effect: { kind: 'reset', at: 20 },
    exits: each(6, { blob: undefined, storage: undefined }),
  },
  { name: 'silence, twice', effect: { kind: 'stall' }, times: 2, exits: each(0) },
  { name: 'silence, for ever', effect: { kind: 'stall' }, exits: each(6) },
  {
    name: 'silence in the body, twice',
    effect: { kind: 'stall', at: 20 },
    times: 2,
    exits: each(0, { blob: undefined }),
  },
  { name: '503, twice', effect: status(503), times: 2, exits: each(0) },
  { name: '503, for ever', effect: status(503), exits: each(6) },
  { name: '500, twice', effect: status(500), times: 2, exits: each(0) },
  {
    name: '429, twice',
    effect: { ...status(429), headers: { 'retry-after': '0' } } as RegistryEffect,
    times: 2,
    exits: each(0),
  },
  { name: '404, for ever', effect: status(404), exits: each(4, { token: 5 }) },
  { name: '403, for ever', effect: status(403), exits: each(5, { storage: 6 }) },
  // An address that was refused is asked for again.
  {
    name: '403 of an expired address, twice',
    effect: status(403, '<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>'),
    times: 2,
    exits: each(0, {
      manifest: undefined,
      token: undefined,
      blob: undefined,
      tags: undefined,
      page: undefined,
    }),
  },
  {
    name: 'a page of a filter, for ever',
    effect: status(403, '<html>blocked</html>'),
    exits: each(6, { token: 5 }),
  },
  {
    name: 'a login page with 200, for ever',
    effect: status(200, '<html>log in</html>'),
    exits: each(6),
  },
  {
    name: 'one bit is another, once',
    effect: { kind: 'corrupt' },
    times: 1,
    exits: each(0, { token: undefined, blob: undefined, tags: undefined, page: undefined }),
  },
  // Of a manifest that is asked for by its tag nothing says what it should be: it is another one, or none.
  {
    name: 'one bit is another, for ever',
    effect: { kind: 'corrupt' },
    exits: each(7, {
      manifest: undefined,
      token: undefined,
      blob: undefined,
      tags: undefined,
      page: undefined,
    }),
  },
  {
    name: 'a redirect that leads nowhere, for ever',
    effect: { ...status(307), headers: { location: 'ftp://elsewhere/x' } } as RegistryEffect,
    exits: each(6),
  },
  {
    name: 'a redirect in circles, for ever',
    effect: { ...status(307), headers: { location: '?again' } } as RegistryEffect,
    exits: each(6, { blob: undefined }),
  },
];

let library: Awaited<ReturnType<typeof loadLibrary>>;
let model: PushedModel;
let workspace: Workspace;
let files: (readonly [string, Buffer])[];

beforeAll(async () => {
  library = await loadLibrary();
  model = await ollamaModel(generated('registry matrix', 3_000_017));
  workspace = await Workspace.open();
  const { layers, config } = JSON.parse(model.manifest.toString()) as {
    layers: { digest: string }[];
    config: { digest: string };
  };
  const digests = [...layers, config].map(({ digest }) => digest);
  const names = ['model.gguf', 'template', 'params.json', 'license', 'config.json'];
  files = [
    ...(await Promise.all(
      names.map(async (name, index) => [name, await blobOf(model, digests[index]!)] as const),
    )),
    ['manifest.json', model.manifest],
  ];
});

afterAll(() => workspace[Symbol.asyncDispose]());

const cells = ROWS.flatMap((row) =>
  COLUMNS.flatMap((column) => {
    const exit = row.exits[column];
    return exit === undefined ? [] : [{ row, column, exit, name: row.name }];
  }),
);

let serial = 0;

async function pull(
  registry: Registry,
  directory: string,
  delayMs: number,
): Promise<{ exit: number; message: string }> {
  return await endingOf(
    library.download({
      repo: `ollama://${registry.host}/library/tiny`,
      directory,
      connections: 4,
      retry: { tries: 4, baseDelayMs: delayMs, maxDelayMs: delayMs },
      stallTimeoutMs: 500,
      environment: { ...library.environment, processors: 1 },
    }),
  );
}

/** Whatever stands under a final name is right. */
function wrongFiles(directory: string): string[] {
  return files.flatMap(([name, bytes]) => {
    const path = `${directory}/${name}`;
    return existsSync(path) && !readFileSync(path).equals(bytes) ? [name] : [];
  });
}

describe('every fault at every kind of request of a registry', () => {
  test.concurrent.each(cells)('$name | $column', async ({ row, column, exit }) => {
    await using registry = await Registry.start({
      like: 'ollama',
      models: { 'library/tiny': { latest: model } },
      access: { challenge: 'bearer' },
    });
    const { effect, times } = row;
    const fault: RegistryFault = { on: column, effect, ...(times === undefined ? {} : { times }) };
    registry.fault(fault);
    serial += 1;
    const directory = workspace.path(`cell-${serial}`);
    // A failed look-up is the answer for a fifth of a second: who asks again sooner has not asked.
    const delayMs = column === 'blob' || column === 'storage' ? 420 : 10;
    const ended = await pull(registry, directory, delayMs);
    expect(ended, ended.message).toMatchObject({ exit });
    expect(wrongFiles(directory)).toEqual([]);
    expect(registry.count(column)).toBeGreaterThan(0);
    expect(registry.log.filter((one) => one.host === 'storage' && one.authorization !== undefined)).toEqual(
      [],
    );
    if (exit === 0) return;
    // What the fault has left behind is no harm for the next run.
    registry.faults.clear();
    expect(await pull(registry, directory, delayMs)).toMatchObject({ exit: 0 });
    expect(wrongFiles(directory)).toEqual([]);
    for (const [name] of files) expect(existsSync(`${directory}/${name}`)).toBe(true);
  });
});

const listCells = ROWS.flatMap((row) =>
  LISTS.flatMap((column) => {
    const exit = row.exits[column];
    return exit === undefined ? [] : [{ row, column, exit, name: row.name }];
  }),
);

describe('every fault at every kind of list of tags', () => {
  test.concurrent.each(listCells)('$name | $column', async ({ row, column, exit }) => {
    const like = column === 'tags' ? 'oci' : 'ollama';
    await using registry = await Registry.start({ like, models: { 'library/tiny': { a: model, b: model } } });
    const look = async () => {
      try {
        const { rows } = await library.listBranches({
          repo: `${like}://${registry.host}/library/tiny`,
          retry: { tries: 4, baseDelayMs: 10, maxDelayMs: 10 },
          stallTimeoutMs: 500,
          environment: library.environment,
        });
        return { exit: 0, tags: rows.map(({ revision }) => revision) };
      } catch (error) {
        return { exit: EXIT_CODES[(error as { code: ErrorCode }).code] ?? 130, tags: [] };
      }
    };
    const { effect, times } = row;
    registry.fault({ on: column, effect, ...(times === undefined ? {} : { times }) });
    const whole = { exit: 0, tags: ['a', 'b'] };
    expect(await look()).toEqual(exit === 0 ? whole : { exit, tags: [] });
    expect(registry.count(column)).toBeGreaterThan(0);
    registry.faults.clear();
    expect(await look()).toEqual(whole);
  });
});
