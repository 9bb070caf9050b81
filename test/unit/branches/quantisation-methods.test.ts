import { expect, test } from 'vitest';
import { readBranchName } from '../../../src/branches/branch-name.ts';
import {
  loadsInExllama,
  METHODS,
  methodOf,
  methodOfFile,
  methodOfTensors,
} from '../../../src/branches/quantisation-methods.ts';

const tensor = (name: string, dtype = 'F16') => ({ name, dtype, shape: [2, 2], bytes: 8 });

test.each([
  [{ load_in_8bit: true }, 'bitsandbytes'],
  [{ w_bit: 4, desc_act: true }, 'awq'],
  [{ desc_act: false }, 'gptq'],
  [{ config_groups: {} }, 'compressed-tensors'],
  [{ quant_method: 'bitsandbytes_4bit' }, 'bitsandbytes'],
  [{ quant_method: 'Intel/Auto-Round' }, 'auto-round'],
  [{ quant_method: 'modelopt_fp4' }, 'modelopt'],
  [{ quant_method: 'quark_v2' }, 'quark'],
  [{ quant_method: 'Novel', desc_act: true }, 'novel'],
  [{ quant_method: 'toString' }, 'tostring'],
  [{ bits: 4 }, undefined],
])('the method of %o is %s', (description, method) => {
  expect(methodOf(description)).toBe(method);
});

test('a file of one tool means that tool', () => {
  expect(
    (['quantize_config.json', 'quant_config.json', 'hf_quant_config.json', 'config.json'] as const).map(
      methodOfFile,
    ),
  ).toEqual(['gptq', 'awq', 'modelopt', undefined]);
});

test.each([
  [[tensor('a.weight', 'U32'), tensor('a.scales')], 'mlx'],
  [[tensor('a.weight', 'U32')], undefined],
  [[tensor('a.q_weight', 'I32')], 'exl2'],
  [[tensor('a.trellis', 'I16')], 'exl3'],
  [[tensor('a.weight_packed', 'I32')], 'compressed-tensors'],
  [[tensor('a.weight')], undefined],
])('the method that leaves tensors %# is %s', (tensors, method) => {
  expect(methodOfTensors(tensors)).toBe(method);
});

test.each([
  ['exl2', undefined, true],
  ['exl3', 3, true],
  ['gptq', 4, true],
  ['gptq', 8, false],
  ['gptq', undefined, undefined],
  ['awq', 4, undefined],
  ['constructor', 4, undefined],
  [undefined, 4, undefined],
])('ExLlama loads %s of %s bits: %s', (method, bits, loads) => {
  expect(loadsInExllama(method, bits)).toBe(loads);
});

test('the names of branches contain the methods that their rows say, and no others', () => {
  const found = Array.from(METHODS.keys()).filter((name) => readBranchName(`x-${name}-4bit`).method === name);
  expect(found.toSorted()).toEqual(['awq', 'exl2', 'exl3', 'fp8', 'gptq']);
});
