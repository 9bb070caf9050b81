import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseStatus } from '../../../../src/source/peer/peer-status.ts';

const NODE = '0123456789abcdef';
const parsed = (files: unknown, about: object = {}) =>
  parseStatus(JSON.stringify({ version: 1, node: NODE, nodes: {}, files, ...about }));

test('what a peer has, and fetches', () => {
  const files = [
    ['whole.bin', true],
    ['part.bin', [0, 10, 20, 30], [30, 40]],
  ];
  expect(parsed(files, { nodes: { [NODE]: 1, x: 1 } })).toEqual({
    node: NODE,
    nodes: new Map([[NODE, 1]]),
    files: new Map<string, unknown>([
      ['whole.bin', { path: 'whole.bin', written: 'all', fetching: [] }],
      [
        'part.bin',
        {
          path: 'part.bin',
          written: [
            { start: 0, end: 10 },
            { start: 20, end: 30 },
          ],
          fetching: [{ start: 30, end: 40 }],
        },
      ],
    ]),
  });
  expect(parseStatus('{"version":1,"complete":true}')).toBe('complete');
});

test.each([
  '',
  '[]',
  'null',
  '{}',
  '{"version":2,"complete":true}',
  `{"version":1,"node":"../x","nodes":{},"files":[]}`,
])('%j is no answer', (text) => expect(parseStatus(text)).toBeUndefined());

test('whatever it sends, ranges ascend and do not touch', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.integer(), fc.double(), fc.string(), fc.constant(null))), (flat) => {
      const status = parsed([['x', flat]]);
      const file = status === undefined || status === 'complete' ? undefined : status.files.get('x');
      let from = 0;
      for (const { start, end } of file?.written === 'all' ? [] : (file?.written ?? [])) {
        expect(start).toBeGreaterThanOrEqual(from);
        expect(end).toBeGreaterThan(start);
        from = end;
      }
    }),
  );
});
