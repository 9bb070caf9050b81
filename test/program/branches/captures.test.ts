import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rankRows } from '../../../src/branches/fit.ts';
import { sortRows } from '../../../src/branches/sort-rows.ts';
import type { BranchTable } from '../../../src/model/branch-facts.ts';
import { displayWidth } from '../../../src/model/format.ts';
import { renderBranchInFull } from '../../../src/report/tables/branch-full.ts';
import { renderBranchJson } from '../../../src/report/tables/branch-json.ts';
import { renderBranchMarkdown, renderBranchTable } from '../../../src/report/tables/branch-table.ts';
import { renderFitTable } from '../../../src/report/tables/fit-table.ts';
import { describeAt } from '../../support/describe.ts';
import { mistralGguf } from '../../support/hub/fixtures/gguf.ts';
import { hostileFacts } from '../../support/hub/fixtures/hostile.ts';
import { MISTRAL_GPTQ } from '../../support/hub/fixtures/mistral-gptq.ts';
import {
  manyBranches,
  mistralGptqInFull,
  quantisedRepositories,
} from '../../support/hub/fixtures/quantised.ts';
import { type Hub, startHub } from '../../support/hub/hub.ts';

const WIDTHS = [60, 80, 120, 200];
const REPOSITORIES = [
  ['gptq', MISTRAL_GPTQ],
  ['gguf', 'tests/Mistral-7B-GGUF'],
  ['exl2', 'tests/exl2'],
  ['fp16', 'tests/fp16'],
  ['forty', 'tests/forty-branches'],
  ['hostile', 'tests/hostile-facts'],
] as const;

let hub: Hub;
const tables = new Map<string, BranchTable>();

beforeAll(async () => {
  hub = await startHub({
    repositories: [
      mistralGptqInFull(),
      mistralGguf(),
      manyBranches(),
      hostileFacts(),
      ...quantisedRepositories(),
    ],
  });
  for (const [name, id] of REPOSITORIES) {
    const table = await describeAt(hub, id);
    tables.set(name, { ...table, rows: sortRows(table.rows, 'size') });
  }
});

afterAll(() => hub.close());

describe.each(WIDTHS)('at %i columns', (columns) => {
  test.each(REPOSITORIES)('%s', async (name) => {
    const text = renderBranchTable(tables.get(name)!, { columns });
    expect(Math.max(...text.split('\n').map(displayWidth))).toBeLessThanOrEqual(columns);
    await expect(text).toMatchFileSnapshot(`expected/${name}-${columns}.txt`);
  });

  test('what fits', async () => {
    const table = tables.get('gptq')!;
    const ranked = rankRows(table.rows, { memory: 10e9, context: 8192 });
    const text = renderFitTable(table, ranked, { columns });
    expect(Math.max(...text.split('\n').map(displayWidth))).toBeLessThanOrEqual(columns);
    await expect(text).toMatchFileSnapshot(`expected/fits-${columns}.txt`);
  });
});

test('one branch in full', async () => {
  const table = await describeAt(hub, MISTRAL_GPTQ, { revision: 'gptq-8bit-32g-actorder_True' });
  await expect(renderBranchInFull(table, { columns: 80 })).toMatchFileSnapshot('expected/full.txt');
});

test('one quantisation in full', async () => {
  const table = await describeAt(hub, 'tests/Mistral-7B-GGUF', { revision: 'main', variant: 'Q4_K_M' });
  await expect(renderBranchInFull(table, { columns: 80 })).toMatchFileSnapshot('expected/full-gguf.txt');
});

test('as Markdown and as JSON', async () => {
  const table = tables.get('gptq')!;
  await expect(renderBranchMarkdown(table)).toMatchFileSnapshot('expected/gptq.md');
  const ranked = rankRows(table.rows, { memory: 12e9, context: 4096 });
  await expect(renderBranchJson(table, ranked)).toMatchFileSnapshot('expected/gptq.json');
});

test('colour only where something fits or does not, and only when it is wanted', () => {
  const table = tables.get('gptq')!;
  const ranked = rankRows(table.rows, { memory: 8e9, context: 4096 });
  const plain = renderFitTable(table, ranked, { columns: 80 });
  const coloured = renderFitTable(table, ranked, { columns: 80, colour: true });
  expect(plain).not.toContain('\x1b');
  expect(coloured).toContain('\x1b[32myes');
  expect(coloured.replaceAll(/\x1b\[\d+m/g, '')).toBe(plain);
});
