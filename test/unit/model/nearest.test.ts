import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { editDistance, nearest } from '../../../src/model/nearest.ts';
import { cpuMs } from '../../support/machine.ts';

const branches = [
  'main',
  'gptq-4bit-32g-actorder_True',
  'gptq-8bit--1g-actorder_True',
  'gptq-8bit-128g-actorder_True',
  'gptq-8bit-32g-actorder_True',
  'gptq-4bit-64g-actorder_True',
];

describe('nearest', () => {
  test.each([
    ['gptq-8bit-32g', branches, 'gptq-8bit-32g-actorder_True'],
    ['gptq-8bit-32g-actorder_true', branches, 'gptq-8bit-32g-actorder_True'],
    ['gptq-8bit-32g-actorder_Ture', branches, 'gptq-8bit-32g-actorder_True'],
    ['8bit-32g', branches, 'gptq-8bit-32g-actorder_True'],
    ['MAIN', branches, 'main'],
    ['mian', branches, 'main'],
    ['tokenzer.json', ['model.bin', 'onnx/tokenizer.json', 'config.json'], 'onnx/tokenizer.json'],
    ['q4_k_m', ['model.Q4_K_S.gguf', 'model.Q4_K_M.gguf', 'model.Q8_0.gguf'], 'model.Q4_K_M.gguf'],
  ])('%s', (word, candidates, expected) => {
    expect(nearest(word, candidates)[0]).toBe(expected);
  });

  test('unlike names are not offered', () => {
    expect(nearest('zzzzzz', branches)).toEqual([]);
    expect(nearest('main', [], 3)).toEqual([]);
    expect(nearest('main', branches, 0)).toEqual([]);
  });

  test('equally good ones keep their order, and none comes twice', () => {
    expect(nearest('ab', ['abc', 'abd', 'abc', 'abe', 'abf'], 3)).toEqual(['abc', 'abd', 'abe']);
  });

  test('10,000 hostile candidates take a moment, not minutes', () => {
    const candidates = Array.from({ length: 10_000 }, (_, index) => `${'ab'.repeat(5_000)}${index}`);
    const started = cpuMs();
    expect(nearest('ba'.repeat(5_000), candidates).length).toBe(3);
    expect(cpuMs() - started).toBeLessThan(10_000);
  });

  test('a present name is first, whatever else there is', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 8 }), { minLength: 1 }), fc.nat(), (names, pick) => {
        const word = names[pick % names.length]!;
        expect(nearest(word, names)[0]).toBe(word);
      }),
    );
  });

  test('the result is a sorted part of the candidates, and a larger limit only appends', () => {
    const names = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', '-', '1'), maxLength: 6 }), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', 'b', '-'), maxLength: 6 }),
        names,
        (word, candidates) => {
          const three = nearest(word, candidates, 3);
          expect(candidates).toEqual(expect.arrayContaining(three));
          expect(nearest(word, candidates, 5).slice(0, 3)).toEqual(three);
        },
      ),
    );
  });
});

describe('editDistance', () => {
  test.each([
    ['', '', 0],
    ['', 'abc', 3],
    ['abc', 'acb', 1],
    ['kitten', 'sitting', 3],
    ['ca', 'abc', 3],
  ])('%s %s', (left, right, expected) => {
    expect(editDistance(left, right)).toBe(expected);
    expect(editDistance(right, left)).toBe(expected);
    expect(editDistance(left, right, expected)).toBe(expected);
  });
});
