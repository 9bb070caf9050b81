import { expect, test } from 'vitest';
import {
  createNotesReporter,
  createQuietReporter,
  joinReporters,
} from '../../../../src/report/progress/notes-reporter.ts';
import { ManualTime } from '../../../support/manual-time.ts';
import { Pipe, planned, planOf } from '../records.ts';

test('the notes reporter says what people should know and no progress; joined reporters all hear', () => {
  const output = new Pipe();
  const other = new Pipe();
  const time = new ManualTime();
  const notes = createNotesReporter({ output, time, verbose: false });
  const reporter = joinReporters([
    notes,
    createQuietReporter(),
    createNotesReporter({ output: other, time, verbose: true }),
  ]);
  reporter.emit({ type: 'planned', plan: planOf([planned('a', 10)]), directory: '/d' });
  reporter.emit({ type: 'bytes', path: 'a', count: 10 });
  for (let i = 0; i < 5; i += 1) {
    reporter.emit({ type: 'retrying', what: 'a', attempt: i, delayMs: 0, code: 'NETWORK', message: 'reset' });
  }
  time.advance(60_000);
  reporter.emit({ type: 'trace', message: 'detail' });
  reporter.close();
  expect(output.lines).toEqual([
    'fetch: retrying a (attempt 0): reset',
    'fetch: retrying a (attempt 1): reset',
    'fetch: retrying a (attempt 2): reset',
    'fetch: and 2 more retries',
  ]);
  expect(other.lines).toEqual([...output.lines, 'fetch: detail']);
  expect(time.timers).toBe(0);
  expect(joinReporters([notes])).toBe(notes);
});
