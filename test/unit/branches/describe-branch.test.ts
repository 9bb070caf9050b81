import { describe, expect, test } from 'vitest';
import { describeBranch } from '../../../src/branches/describe-branch.ts';
import type { RemoteFile } from '../../../src/model/remote-file.ts';

const INDEX = 'model.safetensors.index.json';

/** A model in so many parts; returns its row, and which files were read for it. */
async function rowOf(parts: number, metadata: object, whole = false) {
  const texts = new Map([
    ['config.json', JSON.stringify({ model_type: 'mixtral', torch_dtype: 'bfloat16' })],
    [INDEX, JSON.stringify({ metadata, weight_map: {} })],
  ]);
  const part = (index: number) =>
    `model-${String(index + 1).padStart(5, '0')}-of-${String(parts).padStart(5, '0')}`;
  const names = Array.from({ length: parts }, (_, index) => `${part(index)}.safetensors`);
  const header = Buffer.from(JSON.stringify({ w: { dtype: 'BF16', shape: [4, 4], data_offsets: [0, 32] } }));
  const weights = Buffer.concat([Buffer.alloc(8), header, Buffer.alloc(32)]);
  weights.writeBigUInt64LE(BigInt(header.length));
  const contents = new Map([
    ...Array.from(texts, ([path, text]) => [path, Buffer.from(text)] as const),
    ...names.map((path) => [path, weights] as const),
  ]);
  const files: RemoteFile[] = Array.from(contents, ([path, { length }]) => ({
    path,
    size: length,
    digest: undefined,
  }));
  const read: string[] = [];
  const [row] = await describeBranch({
    kind: 'branch',
    revision: 'main',
    commit: 'a'.repeat(40),
    date: undefined,
    files,
    read: async (file, start, end) => {
      read.push(file.path);
      return contents.get(file.path)?.subarray(start, end) ?? new Uint8Array();
    },
    card: Promise.resolve({ rows: new Map(), about: {} }),
    whole,
  });
  return { facts: row?.facts, problems: row?.problems, read };
}

describe('a model in many parts', () => {
  test('of up to eight is known by their headers', async () => {
    const { facts, read } = await rowOf(8, { total_size: 1 });
    expect(facts?.tensorBytes).toMatchObject({ value: 8 * 32, origin: 'safetensors header' });
    expect(facts?.parameters).toMatchObject({ value: 8 * 16 });
    expect(read).not.toContain(INDEX);
  });

  test('of more is known by its index, at the price of one request', async () => {
    const { facts, problems, read } = await rowOf(30, { total_size: 960, total_parameters: 480 });
    expect(facts?.tensorBytes).toMatchObject({ value: 960, origin: INDEX });
    expect(facts?.parameters).toMatchObject({ value: 480, origin: INDEX });
    expect(facts?.bitsPerWeight).toMatchObject({ value: 16 });
    expect(read.toSorted()).toEqual(['config.json', INDEX]);
    expect(problems).toEqual([]);
  });

  test('looked at alone is known by all of its headers', async () => {
    const { facts } = await rowOf(30, { total_size: 960 }, true);
    expect(facts?.parameters).toMatchObject({ value: 30 * 16, origin: 'safetensors header' });
  });

  test('with an index of nonsense has no such facts', async () => {
    const { facts } = await rowOf(9, { total_size: -1, total_parameters: 'many' });
    expect(facts).not.toHaveProperty('tensorBytes');
    expect(facts).not.toHaveProperty('parameters');
  });
});
