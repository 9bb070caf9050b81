import { expect, test } from 'vitest';
import { SlowPeers } from '../../../../src/transfer/scheduling/slow-peers.ts';

/** Bytes come evenly, so many per millisecond, until a time. */
function run(
  slow: SlowPeers,
  from: number,
  to: number,
  rates: { readonly peers?: number; readonly source?: number },
): void {
  for (let now = from; now <= to; now += 10) {
    if (rates.peers !== undefined) slow.peers.wrote(rates.peers * 10, now);
    if (rates.source !== undefined) slow.source.wrote(rates.source * 10, now);
  }
}

function began(peers: number): SlowPeers {
  const slow = new SlowPeers();
  for (let peer = 0; peer < peers; peer += 1) slow.peers.began(0);
  return slow;
}

test('of fast peers no request goes to the source', () => {
  const slow = began(8);
  run(slow, 0, 2000, { peers: 50_000 });
  expect(slow.leaves(2000)).toBe(false);
  expect(slow.areBehind(2000)).toBe(false);
});

test('of slow ones a single request tries the source, and those that follow wait for what it shows', () => {
  const slow = began(8);
  expect(slow.leaves(0)).toBe(false);
  run(slow, 0, 1000, { peers: 1000 });
  expect(slow.leaves(1000)).toBe(true);
  expect(slow.leaves(1000)).toBe(false);
  slow.source.began(1000);
  run(slow, 1000, 2000, { peers: 1000, source: 20_000 });
  expect(slow.areBehind(2000)).toBe(true);
  expect(slow.leaves(2000)).toBe(true);
  expect(slow.leaves(2000)).toBe(true);
});

test('a source that is no faster gets nothing more, until it is tried again', () => {
  const slow = began(8);
  run(slow, 0, 1000, { peers: 1000 });
  expect(slow.leaves(1000)).toBe(true);
  slow.source.began(1000);
  run(slow, 1000, 2000, { peers: 1000, source: 1500 });
  slow.source.ended(2000);
  expect(slow.leaves(2000)).toBe(false);
  expect(slow.areBehind(2000)).toBe(false);
  run(slow, 2000, 40_000, { peers: 1000 });
  expect(slow.leaves(40_000)).toBe(true);
  expect(slow.leaves(40_000)).toBe(false);
});

test('one request always stays, by which they show when they become faster', () => {
  const slow = began(1);
  slow.source.began(0);
  run(slow, 0, 1000, { peers: 1000, source: 20_000 });
  expect(slow.leaves(1000)).toBe(false);
  expect(slow.areBehind(1000)).toBe(true);
  run(slow, 1000, 3000, { peers: 15_000, source: 20_000 });
  expect(slow.areBehind(3000)).toBe(false);
});

test('time without a request is no time of a slow one', () => {
  const slow = began(2);
  run(slow, 0, 500, { peers: 20_000 });
  slow.peers.ended(500);
  slow.peers.ended(500);
  slow.peers.began(10_000);
  slow.peers.began(10_000);
  run(slow, 10_000, 11_000, { peers: 20_000 });
  expect(slow.leaves(11_000)).toBe(false);
});

test('a request that ends soon tells how fast the source is if it brought enough', () => {
  const slow = began(8);
  run(slow, 0, 1000, { peers: 1000 });
  expect(slow.leaves(1000)).toBe(true);
  slow.source.began(1000);
  slow.source.wrote(10_000, 1010);
  slow.source.ended(1010);
  expect(slow.areBehind(1010)).toBe(false);
  run(slow, 1010, 1600, { peers: 1000 });
  expect(slow.leaves(1600)).toBe(true);
  slow.source.began(1600);
  slow.source.wrote(2_000_000, 1700);
  slow.source.ended(1700);
  expect(slow.areBehind(1700)).toBe(true);
});
