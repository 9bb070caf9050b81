import { describe, expect, test } from 'vitest';
import { PeerTable } from '../../../../src/transfer/scheduling/peer-table.ts';

function ready(count: number): PeerTable {
  const table = new PeerTable(count);
  for (let peer = 0; peer < count; peer += 1) table.answered(peer);
  return table;
}

test('the peer with the fewest requests is chosen, and only those that have answered', () => {
  const table = new PeerTable(3);
  expect([table.awaited, table.choose(0, 0)]).toEqual([true, undefined]);
  table.answered(1);
  expect(table.choose(0, 0)).toBe(1);
  table.answered(0);
  table.answered(2);
  expect(table.awaited).toBe(false);
  table.began(0);
  table.began(1);
  expect(table.choose(0, 0)).toBe(2);
  table.began(2);
  table.began(2);
  table.ended(1);
  expect(table.choose(0, 0)).toBe(1);
});

describe('a peer that is slow beside the others', () => {
  /** Two peers with one request each: the first brings 1 MB/s, the second 20 MB/s. */
  function measured(): PeerTable {
    const table = ready(2);
    table.began(0);
    table.began(1);
    for (let now = 0; now <= 1000; now += 100) {
      table.wrote(0, 100_000, now);
      table.wrote(1, 2_000_000, now);
    }
    return table;
  }

  test('gets no second request', () => {
    const table = measured();
    const chosen = Array.from({ length: 4 }, () => {
      const peer = table.choose(0, 1000)!;
      table.began(peer);
      return peer;
    });
    expect(chosen).toEqual([1, 1, 1, 1]);
  });

  test('gets requests for files that only it has', () => {
    const table = measured();
    table.lacks(1, 7);
    expect(table.choose(7, 1000)).toBe(0);
  });

  test('gets one again when it has none, and its share when it is as fast as the others', () => {
    const table = measured();
    table.ended(0);
    expect(table.choose(0, 1000)).toBe(0);
    table.began(0);
    table.began(1);
    // The wait between two requests is not part of its pace.
    for (let now = 60_000; now <= 61_500; now += 100) table.wrote(0, 1_500_000, now);
    expect(table.choose(0, 61_500)).toBe(0);
  });

  test('gets its share if its requests are only slower because it has more of them', () => {
    const table = ready(2);
    table.began(0);
    for (let request = 0; request < 3; request += 1) table.began(1);
    for (let now = 0; now <= 1000; now += 100) {
      table.wrote(0, 600_000, now);
      table.wrote(1, 900_000, now);
    }
    expect(table.choose(0, 1000)).toBe(0);
    table.began(0);
    table.began(0);
    table.began(0);
    expect(table.choose(0, 1000)).toBe(1);
  });
});

test('a file that a peer lacks is asked of the others', () => {
  const table = ready(2);
  table.lacks(0, 7);
  expect([table.choose(7, 0), table.choose(8, 0)]).toEqual([1, 0]);
  table.lacks(1, 7);
  expect(table.choose(7, 0)).toBeUndefined();
});

test('a busy peer rests, for longer each time, and is useless in the end', () => {
  const table = ready(1);
  expect(table.refused(0, undefined, 0)).toBe(true);
  // Others of the same moment count as one.
  expect(table.refused(0, undefined, 1)).toBe(true);
  expect([table.choose(0, 499), table.choose(0, 500)]).toEqual([undefined, 0]);
  expect(table.refused(0, undefined, 1000)).toBe(true);
  expect([table.choose(0, 1999), table.choose(0, 2000)]).toEqual([undefined, 0]);
  // As long as it asks for, within limits.
  expect(table.refused(0, 3_600_000, 2000)).toBe(true);
  expect([table.choose(0, 11_999), table.choose(0, 12_000)]).toEqual([undefined, 0]);
  expect([20_000, 40_000, 60_000].map((now) => table.refused(0, undefined, now))).toEqual([
    true,
    true,
    false,
  ]);
});

test('what a peer brings makes up for its failures', () => {
  const table = ready(1);
  expect([table.failed(0), table.failed(0)]).toEqual([true, true]);
  table.brought(0);
  expect([table.failed(0), table.failed(0), table.failed(0)]).toEqual([true, true, false]);
});

test('a silent peer is asked again, and gets nothing before it answers', () => {
  const table = ready(1);
  expect([table.silent(0), table.silent(0)]).toEqual(['ask again', 'known']);
  expect(table.choose(0, 0)).toBeUndefined();
  table.answered(0);
  expect(table.choose(0, 0)).toBe(0);
  expect(table.silent(0)).toBe('ask again');
  table.answered(0);
  expect(table.silent(0)).toBe('too often');
});

test('a suspected peer gets nothing until it is cleared, and a dropped one for ever', () => {
  const table = ready(2);
  table.suspect(0);
  expect(table.choose(0, 0)).toBe(1);
  table.answered(0);
  expect(table.choose(0, 0)).toBe(1);
  table.clear(0);
  expect(table.choose(0, 0)).toBe(0);
  table.drop(0);
  table.clear(0);
  table.answered(0);
  table.suspect(0);
  table.clear(0);
  expect([table.choose(0, 0), table.isDropped(0), table.isDropped(1)]).toEqual([1, true, false]);
});

test('a peer that was silent gets a single request until it brings what was asked for', () => {
  const table = ready(1);
  table.silent(0);
  table.answered(0);
  expect(table.choose(0, 0)).toBe(0);
  table.began(0);
  expect(table.choose(0, 0)).toBeUndefined();
  table.brought(0);
  expect(table.choose(0, 0)).toBe(0);
});
