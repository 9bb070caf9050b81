import { expect, test } from 'vitest';
import { BlockPool } from '../../../src/serve/block-pool.ts';

const MANY = 1 << 20;

test('large blocks are used again, and above their number blocks are small', () => {
  const pool = new BlockPool(2);
  const [first, second, third] = [pool.take(MANY), pool.take(MANY), pool.take(MANY)];
  expect([first, second, third].map(({ bytes }) => bytes.length)).toEqual([524_288, 524_288, 16_384]);
  second.release();
  // Twice gives nothing twice.
  second.release();
  const [next, beyond] = [pool.take(MANY), pool.take(MANY)];
  expect(next.bytes).toBe(second.bytes);
  expect(beyond.bytes.length).toBe(16_384);
  third.release();
  expect(pool.take(100).bytes).toBe(third.bytes);
});
