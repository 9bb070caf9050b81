import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readBranchName } from '../../../src/branches/branch-name.ts';
import { readCard } from '../../../src/branches/card.ts';
import { countParameters } from '../../../src/branches/count-parameters.ts';
import { readTensors } from '../../../src/branches/read-weights.ts';
import { headerLength, readHeader } from '../../../src/branches/safetensors-header.ts';
import { cpuMs } from '../../support/machine.ts';

describe('a card', () => {
  test('is read where others are not tables', () => {
    const { rows, about } = readCard(
      [
        '---',
        'license: "mit"',
        'base_model: a/b',
        '---',
        '| A | B |',
        '| - | - |',
        '| x | y |',
        '',
        '| Branch | Bits | GS | Damp % | Seq Len | ExLlama | Desc |',
        '|:------|-----:|----|----|----|----|---|',
        '| [main](https://x/y) | 4 | None | 0.01 | 4,096 | Yes | a \\| b <br> `c` |',
      ].join('\r\n'),
    );
    expect(about).toEqual({ license: 'mit', baseModel: 'a/b' });
    expect([...rows.keys()]).toEqual(['main']);
    expect(rows.get('main')).toEqual({
      bits: 4,
      groupSize: 'none',
      damp: 0.01,
      sequenceLength: 4096,
      exllama: true,
      description: 'a | b  c',
    });
  });

  test.each(['-', '|', '[', '[a](', '| [', '\\|', '<', '*', '`', '---\n'])(
    'of nothing but %j takes no time',
    (unit) => {
      const began = cpuMs();
      const line = unit.repeat(Math.floor(19_000 / unit.length));
      readCard(`| Branch | Bits |\n| - | - |\n${`| ${line} |\n`.repeat(50)}\n${`| ${line}x\n`.repeat(50)}`);
      expect(cpuMs() - began).toBeLessThan(3000);
    },
  );

  test('anything at all is read or left alone', () => {
    fc.assert(fc.property(fc.string({ maxLength: 300 }), (text) => void readCard(text)));
    fc.assert(fc.property(fc.string({ maxLength: 300 }), (text) => void readBranchName(text)));
  });
});

describe('the header of a safetensors file', () => {
  test('any bytes give tensors or a sentence', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (content) => {
        const file = { path: 'm.safetensors', size: content.length, digest: undefined };
        const tensors = await readTensors([file], async (_file, start, end) => content.subarray(start, end));
        expect(typeof tensors === 'string' || Array.isArray(tensors)).toBe(true);
      }),
    );
  });

  test('any JSON gives tensors of whole numbers, or a sentence', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        const tensors = readHeader(new TextEncoder().encode(text));
        if (typeof tensors === 'string') return;
        const { parameters = 1, tensorBytes = 1 } = countParameters(tensors, {
          method: 'gptq',
          bits: 4,
          groupSize: 128,
        });
        expect(Number.isSafeInteger(parameters) && Number.isSafeInteger(tensorBytes)).toBe(true);
      }),
    );
  });

  test('a header of more than one read is put together', async () => {
    const tensors = Object.fromEntries(
      Array.from({ length: 5000 }, (_, index) => [
        `layer.${index}.weight`,
        { dtype: 'F16', shape: [4, 8], data_offsets: [index * 64, index * 64 + 64] },
      ]),
    );
    const json = Buffer.from(JSON.stringify(tensors));
    const content = Buffer.concat([Buffer.alloc(8), json, Buffer.alloc(5000 * 64)]);
    content.writeBigUInt64LE(BigInt(json.length));
    const reads: number[][] = [];
    const file = { path: 'm.safetensors', size: content.length, digest: undefined };
    const found = await readTensors([file], async (_file, start, end) => {
      reads.push([start, end]);
      return content.subarray(start, end);
    });
    expect(found).toHaveLength(5000);
    expect(reads).toEqual([
      [0, 196_608],
      [196_608, 8 + json.length],
    ]);
    expect(
      countParameters(found as never, { method: 'none', bits: undefined, groupSize: undefined }),
    ).toEqual({
      parameters: 160_000,
      tensorBytes: 320_000,
    });
  });

  test.each([
    [new Uint8Array(4), 100, 'too short'],
    [new Uint8Array([2, 0, 0, 0, 0, 0, 0, 0]), 9, 'in a file of 9'],
    [new Uint8Array([0, 0, 0, 2, 0, 0, 0, 0]), 1e12, 'more than the format allows'],
  ])('%# is refused', (start, size, why) => {
    expect(headerLength(start, size)).toContain(why);
  });
});
