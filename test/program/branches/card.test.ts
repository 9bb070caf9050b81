import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatBytes } from '../../../src/model/format.ts';
import { type Described, describeAt, rowOf } from '../../support/describe.ts';
import { MISTRAL_GPTQ } from '../../support/hub/fixtures/mistral-gptq.ts';
import { gptqFiles, mistralGptqInFull } from '../../support/hub/fixtures/quantised.ts';
import { type Hub, startHub } from '../../support/hub/hub.ts';
import { gitFile } from '../../support/hub/repositories/file.ts';

const card = readFileSync(
  new URL('../../support/hub/fixtures/mistral-gptq-card.md', import.meta.url),
  'utf8',
);

/** The rows of the card, taken apart here by other means than the program's. */
const CARD_ROWS = card
  .split('\n')
  .filter((line) => line.startsWith('| [') && line.includes('/tree/'))
  .map((line) => {
    const [branch, bits, group, order, damp, dataset, length, size, exllama, description] = line
      .split(' | ')
      .map((cell) =>
        cell
          .replace(/^\| /, '')
          .replace(/ \|\s*$/, '')
          .replace(/^\[([^\]]+)\].*$/, '$1')
          .trim(),
      );
    return { branch, bits, group, order, damp, dataset, length, size, exllama, description };
  });

let hub: Hub;
let table: Described;

beforeAll(async () => {
  hub = await startHub({ repositories: [mistralGptqInFull()] });
  table = await describeAt(hub, MISTRAL_GPTQ);
});

afterAll(() => hub.close());

describe("the card's table", () => {
  test('has four rows, and so has ours', () => {
    expect(CARD_ROWS.map(({ branch }) => branch)).toHaveLength(4);
    expect(table.rows.map((row) => row.revision).sort()).toEqual(
      CARD_ROWS.map(({ branch }) => branch).sort(),
    );
  });

  test.each(CARD_ROWS)('$branch, field by field', (expected) => {
    const { facts, bytes, weightBytes, commit } = rowOf(table, expected.branch ?? '');
    expect({
      bits: String(facts.bits?.value),
      group: String(facts.groupSize?.value),
      order: facts.actOrder?.value ? 'Yes' : 'No',
      damp: String(facts.damp?.value),
      dataset: facts.dataset?.value,
      length: String(facts.sequenceLength?.value),
      size: formatBytes(weightBytes),
      exllama: facts.exllama?.value ? 'Yes' : 'No',
      description: facts.description?.value,
      branch: expected.branch,
    }).toEqual(expected);
    // The whole download has the same three digits.
    expect(formatBytes(bytes)).toBe(expected.size);
    expect(commit).toBe(hub.repository(MISTRAL_GPTQ).commitOf(expected.branch ?? '').id);
  });

  test.each(CARD_ROWS)(
    '$branch: what a file says comes from the file, the rest from the card',
    ({ branch }) => {
      const { facts } = rowOf(table, branch ?? '');
      const origins = Object.fromEntries(Object.entries(facts).map(([name, fact]) => [name, fact.origin]));
      expect(origins).toMatchObject({
        bits: 'quantize_config.json',
        groupSize: 'quantize_config.json',
        actOrder: 'quantize_config.json',
        damp: 'quantize_config.json',
        layers: 'config.json',
        parameters: 'safetensors header',
        tensorBytes: 'safetensors header',
        dataset: 'card',
        sequenceLength: 'card',
        description: 'card',
        exllama: 'card',
        license: 'card',
      });
      expect(facts.parameters?.value).toBe(7_241_732_096 + BIASES);
    },
  );
});

/** AutoGPTQ adds a bias to each of the 224 matrices: 32 × (2 × 4096 + 2 × 1024 + 2 × 14336 + 4096). */
const BIASES = 32 * (3 * 4096 + 2 * 1024 + 2 * 14336);

test('when name, card and file disagree, the file is believed and the others are named', async () => {
  const lying = [
    '| Branch | Bits | GS | Act Order |',
    '| --- | --- | --- | --- |',
    '| gptq-3bit-64g-actorder_False | 2 | 1024 | Yes |',
  ].join('\n');
  const about = gitFile('README.md', lying);
  await using other = await startHub({
    repositories: [
      {
        id: 'tests/lies',
        branches: { main: [about], 'gptq-3bit-64g-actorder_False': gptqFiles('lies', 4, 128, about) },
      },
    ],
  });
  const row = rowOf(await describeAt(other, 'tests/lies'), 'gptq-3bit-64g-actorder_False');
  expect(row.facts).toMatchObject({
    bits: { value: 4 },
    groupSize: { value: 128 },
    actOrder: { value: true },
  });
  const conflicts = row.conflicts.map(({ field, believed, other: word }) => [
    field,
    believed.value,
    word.value,
    word.origin,
  ]);
  expect(conflicts).toEqual(
    expect.arrayContaining([
      ['bits', 4, 2, 'card'],
      ['groupSize', 128, 1024, 'card'],
      ['bits', 4, 3, 'name'],
      ['groupSize', 128, 64, 'name'],
      ['actOrder', true, false, 'name'],
    ]),
  );
});
