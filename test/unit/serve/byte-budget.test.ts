import { expect, test } from 'vitest';
import { ByteBudget } from '../../../src/serve/byte-budget.ts';

test('who holds longest gives way, and only as many as need be', () => {
  const budget = new ByteBudget(100);
  const dropped: string[] = [];
  const hold = (name: string, bytes: number) => budget.hold(bytes, () => dropped.push(name));
  hold('first', 40);
  const release = hold('second', 40);
  hold('third', 20);
  expect(dropped).toEqual([]);
  hold('fourth', 30);
  expect(dropped).toEqual(['first']);
  release();
  // Twice gives nothing twice.
  release();
  hold('fifth', 50);
  expect(dropped).toEqual(['first']);
  // One alone may have more than the bound.
  hold('sixth', 300);
  expect(dropped).toEqual(['first', 'third', 'fourth', 'fifth']);
});
