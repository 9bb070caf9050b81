import { describe, expect, test } from 'vitest';
import { fitOf, RUNTIME_BYTES, rankRows } from '../../../src/branches/fit.ts';
import type { BranchRow, Facts } from '../../../src/model/branch-facts.ts';

const json = <T>(value: T) => ({ value, origin: 'config.json' as const });
const MISTRAL: Facts = {
  method: json('gptq'),
  context: json(32768),
  kvBytesPerToken: json(131072),
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
