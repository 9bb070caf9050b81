import { expect, test } from 'vitest';
import { readBranchName } from '../../../src/branches/branch-name.ts';

test.each([
  ['gptq-8bit-32g-actorder_True', { method: 'gptq', bits: 8, groupSize: 32, actOrder: true }],
  ['gptq-8bit--1g-actorder_False', { bits: 8, groupSize: 'none', actOrder: false }],
  ['gptq-4bit-64g', { bits: 4, groupSize: 64, actOrder: undefined }],
  ['4_65', { bits: 4.65 }],
  ['6.5bpw', { bits: 6.5 }],
  ['3.0bpw-h6-exl2', { bits: 3, headBits: 6, method: 'exl2' }],
  ['bpw-4.65', { bits: 4.65 }],
  ['int8', { bits: 8 }],
  ['main', { bits: undefined, groupSize: undefined }],
  ['v1.0', { bits: undefined }],
  ['feature/new-thing', { bits: undefined, method: undefined }],
])('%s', (name, expected) => {
  expect(readBranchName(name)).toMatchObject(expected);
});
