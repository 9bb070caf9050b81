import { expect, test } from 'vitest';
import { Notices } from '../../../src/report/progress/notice.ts';
import { serverWarnings } from '../../../src/source/hub/hub-api.ts';

test.each([
  [undefined, []],
  ['', []],
  ['topic;', []],
  [
    'unauthenticated; Warning: Please set a HF_TOKEN.',
    [{ topic: 'unauthenticated', message: 'Please set a HF_TOKEN.' }],
  ],
  ['no topic here', [{ topic: '', message: 'no topic here' }]],
  [
    ['a; one', 'b; two; three'],
    [
      { topic: 'a', message: 'one' },
      { topic: 'b', message: 'two; three' },
    ],
  ],
])('%j', (header, expected) => {
  expect([...serverWarnings(header)]).toEqual(expected);
});

test('a warning of any length is cut', () => {
  const [warning] = serverWarnings(`${'t'.repeat(5000)}; ${'m'.repeat(5000)}`);
  expect(warning?.topic.length).toBe(100);
  expect(warning?.message.length).toBe(300);
});

test('each topic is shown once, when the run is over, and few of them', () => {
  const notices = new Notices({ verbose: false });
  const warn = (topic: string, message: string) => notices.of({ type: 'hub-warning', topic, message }, 0);
  expect(warn('a', 'first\u001b[31m')).toBeUndefined();
  warn('a', 'second');
  for (const topic of 'bcdefg') warn(topic, topic);
  expect(notices.due(10_000)).toEqual([]);
  expect(notices.rest()).toEqual([
    { text: expect.stringMatching(/^the hub says: first[^\u001b]*$/) as string, tone: 'faint' },
    { text: 'the hub says: b', tone: 'faint' },
    { text: 'the hub says: c', tone: 'faint' },
  ]);
});
