import { expect, test } from 'vitest';
import { describeBranch } from '../../../src/branches/describe-branch.ts';
import type { BranchRow } from '../../../src/model/branch-facts.ts';
import { ggufHeader } from '../../support/hub/fixtures/gguf.ts';

const header = (architecture: string, fileType: number, elements: number) =>
  ggufHeader(
    {
      'general.architecture': architecture,
      'general.file_type': fileType,
      [`${architecture}.block_count`]: 32,
      [`${architecture}.embedding_length`]: 4096,
      [`${architecture}.attention.head_count`]: 32,
      [`${architecture}.attention.head_count_kv`]: 8,
    },
    [['token_embd.weight', 2, [1024, elements / 1024]]],
  );

async function rowsOf(files: Record<string, [size: number, header?: Buffer]>): Promise<readonly BranchRow[]> {
  return await describeBranch({
    kind: 'branch',
    revision: 'main',
    commit: 'a'.repeat(40),
    date: undefined,
    files: Object.entries(files).map(([path, [size]]) => ({ path, size, digest: undefined })),
    read: async ({ path }, start, end) =>
      Buffer.concat([files[path]?.[1] ?? Buffer.alloc(0), Buffer.alloc(64)]).subarray(start, end),
    card: Promise.resolve({ rows: new Map(), about: {} }),
    whole: false,
  });
}

const BILLION = 1024 * 1_000_000;

test('the header of a head that guesses tokens says nothing of the model', async () => {
  const rows = await rowsOf({
    'M-Q4_0.gguf': [16_056_478_688, header('qwen35', 2, 27 * BILLION)],
    'MTP/mtp-M-Q4_0.gguf': [1_369_590_656, header('qwen35', 2, 2 * BILLION)],
  });
  expect(rows.map(({ variant }) => variant)).toEqual(['Q4_0']);
  expect(rows[0]?.facts.parameters?.value).toBe(27 * BILLION);
  expect(rows[0]?.facts.bitsPerWeight?.value).toBeCloseTo(4.65, 1);
});

test('two models in one branch have a header each', async () => {
  const rows = await rowsOf({
    'A-Q4_0.gguf': [4e9, header('llama', 2, 7 * BILLION)],
    'A-Q8_0.gguf': [8e9, header('llama', 7, 7 * BILLION)],
    'B-Q4_1.gguf': [1e9, header('qwen2', 3, BILLION)],
  });
  expect(rows.map(({ facts }) => [facts.architecture?.value, facts.parameters?.value])).toEqual([
    ['llama', 7 * BILLION],
    ['llama', 7 * BILLION],
    ['qwen2', BILLION],
  ]);
});

test('pieces: the first has the header of the whole', async () => {
  const [row] = await rowsOf({
    'M-Q8_0.gguf.part1of2': [37e9, header('llama', 7, 70 * BILLION)],
    'M-Q8_0.gguf.part2of2': [37e9],
  });
  expect(row?.facts.parameters?.value).toBe(70 * BILLION);
  expect(row?.problems).toEqual(['its 2 parts have to be joined with cat before use']);
});

test('a longer name than the header knows is no contradiction', async () => {
  const rows = await rowsOf({
    'A-Q6_K_P.gguf': [7e9, header('llama', 18, 8 * BILLION)],
    'B-UD-Q4_K_XL.gguf': [5e9, header('llama', 15, 8 * BILLION)],
    'C-Q8_0.gguf': [5e9, header('llama', 15, 8 * BILLION)],
  });
  expect(
    rows.map(({ facts, conflicts }) => [facts.quantisation?.value, conflicts.map(({ field }) => field)]),
  ).toEqual([
    ['Q6_K_P', []],
    ['UD-Q4_K_XL', []],
    // What is really in a file stays believed, and the difference shown.
    ['Q4_K_M', expect.arrayContaining(['quantisation'])],
  ]);
});
