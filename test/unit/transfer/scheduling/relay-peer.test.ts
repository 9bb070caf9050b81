import { expect, test } from 'vitest';
import { RelayPeer } from '../../../../src/transfer/scheduling/relay-peer.ts';

const report = (node: number, written: number) => ({
  node: node.toString(16).padStart(16, '0'),
  nodes: new Map<string, number>(),
  files: new Map([
    [
      0,
      {
        written: written === 0 ? [] : [{ start: 0, end: written }],
        fetching: [{ start: written, end: 1e9 }],
      },
    ],
  ]),
});

test.each([
  ['another run each time', (time: number) => report(time, 0)],
  ['now more and now less', (time: number) => report(time, time % 2)],
])('a peer that says that it is %s is not waited for without an end', (_what, at) => {
  const peer = new RelayPeer();
  for (let time = 0; time <= 10; time += 1) peer.update(at(time), 1000 * time);
  expect([peer.isLive(10_000), peer.isMeasured]).toEqual([false, true]);
});

test('a run that was started again is waited for as soon as it has more', () => {
  const peer = new RelayPeer();
  peer.update(report(1, 100), 0);
  peer.update(report(2, 90), 9000);
  expect(peer.isLive(9000)).toBe(false);
  peer.update(report(2, 101), 9500);
  expect(peer.isLive(9500)).toBe(true);
});
