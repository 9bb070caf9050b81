import { describe, expect, test } from 'vitest';
import { fitOf, RUNTIME_BYTES, rankRows } from '../../../src/branches/fit.ts';
import type { BranchRow, Facts } from '../../../src/model/branch-facts.ts';

const json = <T>(value: T) => ({ value, origin: 'config.json' as const });
const MISTRAL: Facts = {
  method: json('gptq'),
  context: json(32768),
  kvGroups: json([{ layers: 32, bytesPerToken: 4096 }]),
};

function row(revision: string, weightBytes: number, facts: Facts = {}): BranchRow {
  const nothing = {
    date: undefined,
    variant: undefined,
    files: [],
    formats: [],
    conflicts: [],
    problems: [],
  };
  const about = {
    kind: 'branch' as const,
    revision,
    commit: '0'.repeat(40),
    bytes: weightBytes + 1,
    weightBytes,
  };
  return { ...nothing, ...about, facts: { ...MISTRAL, ...facts } };
}

const four = row('four', 4_160_000_000, { bits: json(4), groupSize: json(128), actOrder: json(true) });
const fine = row('fine', 4_570_000_000, { bits: json(4), groupSize: json(32), actOrder: json(true) });
const eight = row('eight', 8_170_000_000, { bits: json(8), groupSize: json(32), actOrder: json(true) });

describe('the sum', () => {
  // By hand: 4,096 × 131,072 = 536,870,912, and so on.
  test.each([
    [4096, 536_870_912, 8_170_000_000 + 536_870_912 + 800_000_000],
    [8192, 1_073_741_824, 10_043_741_824],
    [32768, 4_294_967_296, 13_264_967_296],
  ])('Mistral 7B with %i tokens', (context, kvCache, total) => {
    expect(fitOf(eight, { memory: 12e9, context })).toMatchObject({ kvCache, total, runtime: RUNTIME_BYTES });
  });

  test('on 12 GB the 8-bit branch goes to 8k, the 4-bit one to 32k', () => {
    const fits = (one: BranchRow, context: number) => fitOf(one, { memory: 12e9, context }).fits;
    expect([4096, 8192, 32768].map((context) => fits(eight, context))).toEqual([true, true, false]);
    expect([4096, 8192, 32768].map((context) => fits(fine, context))).toEqual([true, true, true]);
  });

  test("reckons with the model's own context, at most 4,096", () => {
    expect(fitOf(four, { memory: 12e9, context: undefined }).context).toBe(4096);
    const short = row('short', 1e9, { context: json(2048) });
    expect(fitOf(short, { memory: 12e9, context: undefined }).context).toBe(2048);
  });

  test('to the byte', () => {
    const { total } = fitOf(four, { memory: 1, context: 4096 });
    expect(fitOf(four, { memory: total, context: 4096 }).fits).toBe(true);
    expect(fitOf(four, { memory: total - 1, context: 4096 }).fits).toBe(false);
  });
});

describe('the ranking', () => {
  test('more bits, then smaller groups, then what does not fit, by what it needs', () => {
    const ranked = rankRows([four, eight, fine, row('huge', 90e9), row('larger', 40e9)], {
      memory: 12e9,
      context: 4096,
    });
    expect(ranked.map((one) => one.row.revision)).toEqual(['eight', 'fine', 'four', 'larger', 'huge']);
  });

  test('says why', () => {
    const ranked = rankRows([four, eight, fine], { memory: 12e9, context: 4096 });
    expect(ranked[0]?.fit.reasons).toEqual([
      'most bits that fit',
      'groups of 32',
      'act order',
      'ExLlama kernels are 4-bit only',
    ]);
    expect(ranked[1]?.fit.reasons).toEqual(['fits, with fewer bits', 'ExLlama has kernels for it']);
  });

  test('a branch without weights is last and never fits', () => {
    const ranked = rankRows([row('nothing', 0), row('huge', 90e9)], { memory: 12e9, context: 4096 });
    expect(ranked.map((one) => [one.row.revision, one.fit.fits])).toEqual([
      ['huge', false],
      ['nothing', false],
    ]);
    expect(ranked[1]?.fit.reasons).toEqual(['no weights']);
  });

  test('says that a cache is unknown, and that a context is longer than the model is made for', () => {
    const blank = { ...row('blank', 1e9), facts: {} };
    expect(rankRows([blank], { memory: 12e9, context: 4096 })[0]?.fit.reasons).toContain(
      'cache unknown: not in the sum',
    );
    const ranked = rankRows([four], { memory: 99e9, context: 65536 });
    expect(ranked[0]?.fit.reasons).toContain('made for 32768 tokens');
  });
});

describe('quality', () => {
  const quantised = (label: string, weightBytes: number, bitsPerWeight?: number): BranchRow => ({
    ...row('main', weightBytes, {
      method: json('gguf'),
      quantisation: json(label),
      ...(bitsPerWeight === undefined ? {} : { bitsPerWeight: json(bitsPerWeight) }),
    }),
    variant: label,
  });
  const order = (rows: BranchRow[], memory = 99e9) =>
    rankRows(rows, { memory, context: 4096 }).map(({ row: { variant } }) => variant);

  test('Q4_K_M loses less than Q4_1, which has more bits', () => {
    const ranked = rankRows([quantised('Q4_1', 5.13e9, 5.11), quantised('Q4_K_M', 4.92e9, 4.9)], {
      memory: 6.5e9,
      context: 4096,
    });
    expect(ranked.map(({ row: { variant } }) => variant)).toEqual(['Q4_K_M', 'Q4_1']);
    expect(ranked.map(({ fit }) => fit.reasons[0])).toEqual([
      'least loss that fits (+0.175 ppl)',
      'fits, loses more (+0.451 ppl)',
    ]);
  });

  test('the order of llama.cpp, whatever the size', () => {
    const labels = [
      'F32',
      'BF16',
      'F16',
      'Q8_0',
      'Q6_K',
      'Q5_K_M',
      'Q5_K_S',
      'Q5_1',
      'Q5_0',
      'Q4_K_M',
      'IQ4_NL',
      'IQ4_XS',
      'Q4_K_S',
      'Q4_1',
      'Q4_0',
      'Q3_K_L',
      'Q3_K_M',
      'IQ3_M',
      'IQ3_S',
      'IQ3_XS',
      'IQ3_XXS',
      'Q3_K_S',
      'IQ2_M',
      'IQ2_S',
      'Q2_K',
      'IQ2_XS',
      'IQ2_XXS',
      'IQ1_M',
      'IQ1_S',
    ];
    const rows = labels.map((label, index) =>
      quantised(label, (index + 1) * 1e6, label === 'F32' ? 32 : label === 'BF16' ? 16 : 5),
    );
    expect(order(rows.toReversed())).toEqual(labels);
  });

  test('types without a measurement rank by their bits', () => {
    expect(
      order([quantised('Q6_K', 6e9, 6.57), quantised('Q6_K_P', 7e9, 7), quantised('Q8_0', 8e9, 8.5)]),
    ).toEqual(['Q8_0', 'Q6_K_P', 'Q6_K']);
    expect(order([quantised('Q4_1', 5e9, 5.11), quantised('UD-Q4_K_XL', 5e9, 4.95)])).toEqual([
      'UD-Q4_K_XL',
      'Q4_1',
    ]);
    expect(order([quantised('Q4_K', 5e9), quantised('Q4_0_4_4', 6e9), quantised('UD-Q4_K_M', 5e9)])).toEqual([
      'Q4_K',
      'UD-Q4_K_M',
      'Q4_0_4_4',
    ]);
  });

  test('wider tables of words make no other type', () => {
    expect(
      order([quantised('Q4_0', 4e9, 4.6), quantised('Q3_K_XL', 4e9, 4.4), quantised('Q3_K_L', 4e9, 4.3)]),
    ).toEqual(['Q4_0', 'Q3_K_XL', 'Q3_K_L']);
    expect(order([quantised('Q4_K_M', 4e9, 4.9), quantised('Q4_K_L', 4e9, 5)])).toEqual(['Q4_K_L', 'Q4_K_M']);
  });

  test('a row whose bits are unknown says so', () => {
    const blank = { ...row('blank', 1e9), facts: {} };
    const [only] = rankRows([blank], { memory: 12e9, context: 4096 });
    expect(only?.fit.reasons[0]).toBe('fits; bits unknown');
  });

  test('what lacks parts never fits and is never first', () => {
    const isFresh = { ...quantised('Q8_0', 2e9, 8.5), missingParts: 1 };
    const ranked = rankRows([isFresh, quantised('Q2_K', 90e9, 3)], { memory: 4e9, context: 4096 });
    expect(ranked.map(({ row: { variant }, fit }) => [variant, fit.fits, fit.reasons[0]])).toEqual([
      ['Q2_K', false, 'too large'],
      ['Q8_0', false, '1 of its parts is missing'],
    ]);
  });
});

describe('the cache of vLLM', () => {
  const window = [
    { layers: 52, bytesPerToken: 8192, window: 1024 },
    { layers: 10, bytesPerToken: 8192 },
  ];
  const vllm = (facts: Facts, context: number) =>
    fitOf(row('x', 1e9, facts), { memory: 99e9, context }).kvCacheVllm;

  test('is named where it differs by more than a tenth', () => {
    expect(vllm({}, 32768)).toBeUndefined();
    expect(vllm({ kvGroups: json(window) }, 32768)).toBe(8192 * (10 * 32768 + 52 * 9215));
    expect(vllm({ kvGroups: json([]) }, 32768)).toBeUndefined();
  });

  test('is half of it where the export asks for 8 bits', () => {
    expect(vllm({ kvCacheBits: json(8) }, 4096)).toBe(536_870_912 / 2);
  });
});
