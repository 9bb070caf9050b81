import { expect, test } from 'vitest';
import { PeerProof, proves } from '../../../../src/transfer/scheduling/peer-proof.ts';

const MIB = 1024 * 1024;
const BIG = 20 * MIB;
const SMALL = 8 * MIB;

test('a peer sends bytes of one big file until that file was right', () => {
  const proof = new PeerProof();
  expect([proves(BIG), proves(SMALL)]).toEqual([true, false]);
  expect(proof.allows(0, 1, BIG, 0)).toBe(true);
  proof.began(0, 1, BIG);
  expect([proof.allows(0, 1, BIG, 0), proof.allows(0, 2, BIG, 0)]).toEqual([true, false]);
  // Another peer may be proven by the same file, or by another one.
  expect([proof.allows(1, 1, BIG, 0), proof.allows(1, 2, BIG, 0)]).toEqual([true, true]);
  proof.matched(0, BIG);
  proof.began(0, 2, BIG);
  expect([proof.allows(0, 2, BIG, 0), proof.allows(0, 3, BIG, 0)]).toEqual([true, true]);
});

test('small files prove nothing and bind no peer', () => {
  const proof = new PeerProof();
  proof.began(0, 1, SMALL);
  expect(proof.allows(0, 2, BIG, 0)).toBe(true);
  proof.matched(0, SMALL);
  proof.began(0, 2, BIG);
  expect([proof.allows(0, 3, BIG, 0), proof.allows(0, 4, SMALL, 0)]).toEqual([false, true]);
});

test('other files do not wait for long, and not for a file of which nothing more comes', () => {
  const proof = new PeerProof();
  proof.began(0, 1, BIG);
  expect(proof.allows(0, 2, BIG, 50_000)).toBe(false);
  expect([proof.allows(0, 3, BIG, 51_999), proof.allows(0, 3, BIG, 52_000)]).toEqual([false, true]);
  proof.settled(1);
  expect(proof.allows(0, 2, BIG, 0)).toBe(true);
  proof.began(0, 2, BIG);
  expect(proof.allows(0, 1, BIG, 0)).toBe(false);
});
