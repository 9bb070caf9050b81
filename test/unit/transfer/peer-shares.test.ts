import { expect, test } from 'vitest';
import { PeerShares } from '../../../src/transfer/peer-shares.ts';

test('the peer with the fewest bytes is examined first, and who was examined last is to blame', () => {
  const shares = new PeerShares();
  shares.add(4, { start: 0, end: 100 });
  shares.add(2, { start: 100, end: 130 });
  shares.add(4, { start: 130, end: 200 });
  expect([shares.bytes, shares.culprit, [...shares.peers]]).toEqual([200, undefined, [4, 2]]);
  expect(shares.examine()).toEqual([{ start: 100, end: 130 }]);
  expect([shares.bytes, shares.culprit, [...shares.remaining]]).toEqual([170, 2, [4]]);
  expect(shares.examine()).toEqual([
    { start: 0, end: 100 },
    { start: 130, end: 200 },
  ]);
  expect([shares.bytes, shares.culprit, [...shares.peers]]).toEqual([0, 4, [4, 2]]);
  expect([...shares.remaining]).toEqual([]);
  // Wrong without any of them: no peer is to blame.
  expect([shares.examine(), shares.culprit]).toEqual([undefined, undefined]);
});

test('of a file that was given up no peer is to blame', () => {
  const shares = new PeerShares();
  shares.add(1, { start: 0, end: 10 });
  shares.examine();
  shares.clear();
  expect([shares.bytes, shares.culprit, [...shares.peers], shares.examine()]).toEqual([
    0,
    undefined,
    [1],
    undefined,
  ]);
});
