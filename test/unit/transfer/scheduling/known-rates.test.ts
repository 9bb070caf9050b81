import { expect, test } from 'vitest';
import { KnownRates } from '../../../../src/transfer/scheduling/known-rates.ts';

/** 48 connections bring 1200; is it known that 24 bring less? */
const asked = (known: KnownRates, now = 0): boolean => known.bringLess(now, 24, { limit: 48, rate: 1200 });

test('as many or more, but fewer than now, brought less', () => {
  const known = new KnownRates();
  expect(asked(known)).toBe(false);
  known.remember(0, 32, 1000);
  expect(asked(known)).toBe(true);
  known.remember(0, 32, 1300);
  expect(asked(known)).toBe(false);
});

test('what each of fewer brought is too little for so many', () => {
  const known = new KnownRates();
  known.remember(0, 16, 16 * 29);
  expect(asked(known)).toBe(true);
  // Each of 24 could bring 48: they might bring nearly as much.
  known.remember(0, 16, 16 * 48);
  expect(asked(known)).toBe(false);
});

test('rates of a minute ago count no longer', () => {
  const known = new KnownRates();
  known.remember(0, 16, 16 * 29);
  expect(asked(known, 59_000)).toBe(true);
  expect(asked(known, 60_000)).toBe(false);
});
