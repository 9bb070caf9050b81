import { expect, test } from 'vitest';
import { createCheckReporter } from '../../../../src/report/progress/check-reporter.ts';
import { ManualTime } from '../../../support/manual-time.ts';

function reporterOf(kind: 'bar' | 'line' | 'none') {
  const time = new ManualTime();
  const written: string[] = [];
  const output = { write: (text: string) => written.push(text), columns: 80 };
  return { time, written, reporter: createCheckReporter({ output, time, kind }) };
}

test('a bar is drawn in its place, fits the terminal, and goes away', () => {
  const { time, written, reporter } = reporterOf('bar');
  reporter.planned(4, 1_000_000_000);
  reporter.read(500_000_000);
  reporter.checked();
  time.advance(1000);
  expect(written.at(-1)).toMatch(/^\r\x1b\[K\[#{12}\.{12}\] {3}50% {2}500 MB\/1\.00 GB /);
  expect(written.every((frame) => frame.length <= 79 + 4)).toBe(true);
  reporter.close();
  expect(written.at(-1)).toBe('\r\x1b[K');
  const frames = written.length;
  reporter.close();
  time.advance(1000);
  expect(written).toHaveLength(frames);
});

test('lines come every few seconds, without control codes', () => {
  const { time, written, reporter } = reporterOf('line');
  reporter.planned(4, 1_000_000_000);
  reporter.read(250_000_000);
  time.advance(12_000);
  reporter.close();
  expect(written.length).toBeGreaterThanOrEqual(2);
  expect(written[0]).toMatch(/^fetch: 25% 250 MB of 1\.00 GB read, .*\/s, 0 of 4 files\n$/);
});

test('silence', () => {
  const { time, written, reporter } = reporterOf('none');
  reporter.planned(1, 1);
  time.advance(60_000);
  reporter.close();
  expect(written).toEqual([]);
});
