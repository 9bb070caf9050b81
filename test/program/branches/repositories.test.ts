import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rankRows } from '../../../src/branches/fit.ts';
import { renderBranchInFull } from '../../../src/report/tables/branch-full.ts';
import { renderBranchJson } from '../../../src/report/tables/branch-json.ts';
import { renderBranchMarkdown, renderBranchTable } from '../../../src/report/tables/branch-table.ts';
import { renderFitTable } from '../../../src/report/tables/fit-table.ts';
import { describeAt, factsOf, rowOf } from '../../support/describe.ts';
import { MISTRAL_GGUFS, mistralGguf } from '../../support/hub/fixtures/gguf.ts';
import { hostileFacts } from '../../support/hub/fixtures/hostile.ts';
import { quantisedRepositories } from '../../support/hub/fixtures/quantised.ts';
import { MISTRAL_PARAMETERS } from '../../support/hub/fixtures/tensors.ts';
import { type Hub, startHub } from '../../support/hub/hub.ts';
import { gitFile } from '../../support/hub/repositories/file.ts';

const GGUF = 'tests/Mistral-7B-GGUF';
const HOSTILE = 'tests/hostile-facts';

let hub: Hub;

beforeAll(async () => {
  hub = await startHub({
    repositories: [
      ...quantisedRepositories(),
      mistralGguf(),
      hostileFacts(),
      { id: 'tests/gated', gated: 'manual', branches: { main: [gitFile('config.json', '{}')] } },
      { id: 'tests/empty', branches: { main: [] } },
    ],
  });
});

afterAll(() => hub.close());

describe('every way of describing a quantisation', () => {
  test.each([
    ['awq', { method: 'awq', bits: 4, groupSize: 128, packing: 'gemm', symmetric: false }],
    ['bitsandbytes', { method: 'bitsandbytes', bits: 4, packing: 'nf4, double' }],
    ['fp8', { method: 'fp8', bits: 8, groupSize: 128, packing: 'e4m3, dynamic' }],
    [
      'compressed-tensors',
      { method: 'compressed-tensors', bits: 4, groupSize: 128, packing: 'pack-quantized' },
    ],
  ])('%s', async (id, expected) => {
    const { facts, problems } = rowOf(await describeAt(hub, `tests/${id}`), 'main');
    for (const [name, value] of Object.entries(expected)) {
      expect(facts[name as 'bits'], name).toEqual({ value, origin: 'config.json' });
    }
    expect(facts.parameters).toEqual({ value: MISTRAL_PARAMETERS, origin: 'safetensors header' });
    expect(facts.kvBytesPerToken?.value).toBe(131072);
    expect(problems).toEqual([]);
  });

  test('AWQ of old, in a file of its own', async () => {
    const { facts } = rowOf(await describeAt(hub, 'tests/awq-old'), 'main');
    expect(facts).toMatchObject({
      method: { value: 'awq', origin: 'quant_config.json' },
      bits: { value: 4, origin: 'quant_config.json' },
      groupSize: { value: 128, origin: 'quant_config.json' },
      parameters: { value: MISTRAL_PARAMETERS },
    });
  });

  test('EXL2: bits are fractions; where nothing says them, the name does and is marked', async () => {
    const table = await describeAt(hub, 'tests/exl2');
    expect(factsOf(rowOf(table, '4_65'))).toMatchObject({
      method: 'exl2 (config.json)',
      bits: '4.65 (config.json)',
      headBits: '6 (config.json)',
      dataset: '(default) (config.json)',
      sequenceLength: '2048 (config.json)',
      exllama: 'true (rule)',
    });
    expect(rowOf(table, '6.5bpw').facts.bits?.value).toBe(6.5);
    expect(factsOf(rowOf(table, '3_0'))).toMatchObject({
      method: 'exl2 (safetensors header)',
      bits: '3 (name)',
    });
    expect(rowOf(table, 'main').problems).toEqual(['no weights']);
    expect(rowOf(table, '4_65').conflicts).toEqual([]);
  });

  test('plain weights, which come twice', async () => {
    const row = rowOf(await describeAt(hub, 'tests/fp16'), 'main');
    expect(factsOf(row)).toMatchObject({
      method: 'none (safetensors header)',
      bits: '16 (safetensors header)',
    });
    expect(row.facts.parameters?.value).toBe(MISTRAL_PARAMETERS);
    expect(row.formats.map(({ format }) => format).sort()).toEqual(['pytorch', 'safetensors']);
    // What is loaded counts once, what is downloaded twice.
    expect(row.bytes).toBeGreaterThan(1.99 * row.weightBytes);
  });
});

describe('a repository of GGUF files', () => {
  test('one row per quantisation; parts and the projector are in it', async () => {
    const { rows } = await describeAt(hub, GGUF);
    expect(rows.map(({ variant }) => variant).sort()).toEqual(MISTRAL_GGUFS.map(([label]) => label).sort());
    for (const [label, , size] of MISTRAL_GGUFS) {
      const row = rows.find(({ variant }) => variant === label)!;
      expect(row.weightBytes).toBe(size + 624_000_000);
      expect(row.facts.bitsPerWeight?.value).toBeCloseTo((8 * size) / MISTRAL_PARAMETERS, 2);
      expect(row.facts.description?.value).toBe(`a use for ${label}`);
      expect(row.problems).toEqual([]);
    }
    expect(
      rows
        .find(({ variant }) => variant === 'Q8_0')!
        .files.map(({ path }) => path)
        .sort(),
    ).toEqual([
      'README.md',
      'config.json',
      'mistral-7b.Q8_0-00001-of-00002.gguf',
      'mistral-7b.Q8_0-00002-of-00002.gguf',
      'mmproj-model-f16.gguf',
    ]);
  });

  test('one of them in full: the header of that file', async () => {
    const table = await describeAt(hub, GGUF, { revision: 'main', variant: 'q4_k_m' });
    expect(table.rows).toHaveLength(1);
    expect(factsOf(table.rows[0]!)).toMatchObject({
      quantisation: 'Q4_K_M (gguf header)',
      architecture: 'llama (gguf header)',
      parameters: `${MISTRAL_PARAMETERS} (gguf header)`,
      mix: '193 Q4_K, 65 F32, 33 Q6_K (gguf header)',
      context: '32768 (gguf header)',
      kvBytesPerToken: '131072 (gguf header)',
      stopTokens: '</s> (gguf header)',
      chatTemplate: '{{ bos_token }}[INST] {{ messages }} [/INST] (gguf header)',
    });
    expect(table.rows[0]!.date).toMatch(/^2023-09-28T/);
  });

  test('a name behind a colon is a branch first, then a quantisation; else both are suggested', async () => {
    const asked = { mayBeQuantisation: true };
    const quantised = await describeAt(hub, GGUF, { ...asked, revision: 'Q6_K' });
    expect(quantised.rows.map(({ variant, revision }) => [variant, revision])).toEqual([['Q6_K', 'main']]);
    await expect(describeAt(hub, GGUF, { ...asked, revision: 'Q6_KK' })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      hint: expect.stringContaining('Q6_K') as string,
    });
    await expect(describeAt(hub, GGUF, { revision: 'Q6_K' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});

describe('what cannot be read is named in its row', () => {
  test('broken and hostile JSON and headers', async () => {
    const table = await describeAt(hub, HOSTILE);
    const problems = Object.fromEntries(table.rows.map((row) => [row.revision, row.problems.join('; ')]));
    expect(Object.keys(problems)).toHaveLength(18);
    expect(problems).toMatchObject({
      main: 'no weights',
      'broken-json': 'config.json: broken JSON',
      'html-json': 'config.json: broken JSON',
      'array-json': 'config.json: JSON that is not an object',
      'deep-json': 'config.json: broken JSON',
      'huge-numbers': expect.stringMatching(/no sensible value of num_hidden_layers/) as string,
      'wrong-types': expect.stringMatching(/no sensible value of num_hidden_layers/) as string,
      'config-too-large': 'config.json: 500000000 bytes, too large for what it should be',
      'gguf-no-magic': expect.stringContaining('GGUF') as string,
      'gguf-endless': expect.stringContaining('Tensor count') as string,
      'gguf-long-string': expect.stringContaining('String length') as string,
    });
    for (const revision of [
      'header-too-long',
      'header-beyond-file',
      'header-no-json',
      'header-negative',
      'header-infinite',
    ]) {
      expect(problems[revision]).toMatch(/^model\.safetensors: /);
    }
    expect(rowOf(table, 'prototype-names').facts.bits).toBeUndefined();
  });

  test('little of a hostile file is read', async () => {
    hub.log.clear();
    await describeAt(hub, HOSTILE);
    expect(hub.log.bytesSent('cdn')).toBeLessThan(30_000_000);
    expect(hub.log.tokenLeaks()).toEqual([]);
  });

  test('nothing that a terminal obeys is printed, whatever the view', async () => {
    const table = await describeAt(hub, HOSTILE);
    const ranked = rankRows(table.rows, { memory: 1e9, context: undefined });
    const texts = [
      renderBranchTable(table, { columns: 100 }),
      renderBranchInFull(table, { columns: 100 }),
      renderBranchMarkdown(table),
      renderBranchJson(table, ranked),
      renderFitTable(table, ranked, { columns: 100 }),
    ];
    for (const text of texts) expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
  });

  test('a gated repository: what the listing says, and why there is no more', async () => {
    const row = rowOf(await describeAt(hub, 'tests/gated'), 'main');
    expect(row.bytes).toBe(2);
    expect(row.problems).toContain('config.json: not readable with this token (gated or private)');
  });

  test('a branch without files', async () => {
    expect(rowOf(await describeAt(hub, 'tests/empty'), 'main')).toMatchObject({
      bytes: 0,
      problems: ['no weights'],
    });
  });

  test('one listing that fails is a row, all of them are an error', async () => {
    await using partly = await startHub({
      repositories: quantisedRepositories(),
      faults: [{ on: 'tree', after: 2, times: 1, effect: { kind: 'status', status: 403 } }],
    });
    const { rows } = await describeAt(partly, 'tests/exl2');
    expect(rows).toHaveLength(4);
    const failed = rows.filter(({ problems }) =>
      problems.some((one) => one.startsWith('could not be listed')),
    );
    expect(failed.length).toBeGreaterThan(0);
    expect(failed.length).toBeLessThan(4);
    await using other = await startHub({
      repositories: quantisedRepositories(),
      faults: [{ on: 'tree', times: 3, effect: { kind: 'status', status: 503 } }],
    });
    await expect(describeAt(other, 'tests/awq')).rejects.toMatchObject({ code: 'NETWORK' });
    await expect(describeAt(other, 'tests/none')).rejects.toMatchObject({
      code: expect.stringMatching(/NOT_FOUND|ACCESS/) as string,
    });
  });
});
