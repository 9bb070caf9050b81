import { describe, expect, test } from 'vitest';
import type { TransferEvent } from '../../../../src/model/event.ts';
import { createLineReporter, nextInterval } from '../../../../src/report/progress/line-reporter.ts';
import type { Reporter } from '../../../../src/report/progress/reporter.ts';
import { ManualTime } from '../../../support/manual-time.ts';
import { held, Pipe, planned, planOf, REVISION } from '../records.ts';

function start(verbose = false): { output: Pipe; time: ManualTime; reporter: Reporter } {
  const output = new Pipe();
  const time = new ManualTime();
  return { output, time, reporter: createLineReporter({ output, time, verbose }) };
}

function retry(what: string): TransferEvent {
  return { type: 'retrying', what, attempt: 2, delayMs: 1500, code: 'NETWORK', message: 'connection reset' };
}

describe('line reporter', () => {
  test('tells the story of a run', () => {
    const { output, time, reporter } = start();
    const plan = planOf([
      planned('config.json', 1000, { action: 'keep' }),
      planned('a.safetensors', 1_000_000_000, { pieces: held({ start: 0, end: 200_000_000 }) }),
    ]);
    reporter.emit({ type: 'resolved', asked: REVISION.repo, revision: REVISION });
    reporter.emit({ type: 'listing', files: 2 });
    reporter.emit({ type: 'planned', plan, directory: '/models/x' });
    reporter.emit({ type: 'file-started', path: 'a.safetensors', size: 1_000_000_000, held: 200_000_000 });
    for (let i = 0; i < 80; i += 1) {
      time.advance(100);
      reporter.emit({ type: 'bytes', path: 'a.safetensors', count: 10_000_000 });
    }
    reporter.emit({ type: 'file-verifying', path: 'a.safetensors' });
    time.advance(4000);
    reporter.emit({ type: 'file-finished', path: 'a.safetensors', size: 1_000_000_000, how: 'transferred' });
    time.advance(20_000);
    reporter.close();
    expect(output.lines).toEqual([
      'fetch: TheBloke/Mistral-7B-GPTQ, gptq-8bit at 0123456',
      'fetch: 2 files, 1.00 GB; already here: 1 file, 200 MB; to fetch: 800 MB',
      'fetch: into /models/x',
      'fetch: 29% 290 MB of 1.00 GB, 90.0 MB/s, 8s left, 1 of 2 files',
      'fetch: 79% 790 MB of 1.00 GB, 100 MB/s, 3s left, 1 of 2 files',
      'fetch: 100% 1.00 GB of 1.00 GB, verifying, 1 of 2 files',
      'fetch: a.safetensors verified, 1.00 GB',
    ]);
  });

  test('a long run gets fewer lines: five seconds apart at first, a minute in the end', () => {
    expect([0, 30, 60, 120, 600, 720, 3600, 86_400].map((s) => nextInterval(s * 1000, 5000) / 1000)).toEqual([
      5, 5, 5, 10, 50, 60, 60, 60,
    ]);
    const { output, time, reporter } = start();
    const size = 8 * 3600 * 1e9 + 1;
    reporter.emit({ type: 'planned', plan: planOf([planned('big', size)]), directory: '/d' });
    reporter.emit({ type: 'file-started', path: 'big', size, held: 0 });
    for (let second = 0; second < 8 * 3600; second += 1) {
      time.advance(1000);
      reporter.emit({ type: 'bytes', path: 'big', count: 1e9 });
    }
    const lines = output.lines.length - 2;
    expect(lines).toBeGreaterThan(450);
    expect(lines).toBeLessThan(550);
    reporter.close();
  });

  test('collapses a burst of retries', () => {
    const { output, time, reporter } = start();
    for (let i = 0; i < 60; i += 1) reporter.emit(retry(`part-${i}`));
    time.advance(6000);
    expect(output.lines).toEqual([
      'fetch: retrying part-0 in 2s (attempt 2): connection reset',
      'fetch: retrying part-1 in 2s (attempt 2): connection reset',
      'fetch: retrying part-2 in 2s (attempt 2): connection reset',
      'fetch: and 57 more retries',
    ]);
    reporter.close();
  });

  test('does not lose what a burst held back when the run ends', () => {
    const { output, reporter } = start();
    for (let i = 0; i < 4; i += 1) reporter.emit(retry('x'));
    for (let i = 0; i < 12; i += 1) {
      reporter.emit({ type: 'file-failed', path: `f${i}`, code: 'INTEGRITY', message: 'the hash differs' });
    }
    reporter.close();
    reporter.close();
    reporter.emit(retry('late'));
    expect(output.lines.filter((line) => line.includes('f0 '))).toEqual([
      'fetch: f0 failed: the hash differs',
    ]);
    expect(output.lines.slice(-2)).toEqual(['fetch: and 1 more retry', 'fetch: and 2 more files failed']);
  });

  test('the number of lines is bounded by time, whatever the number of files and events', () => {
    const { output, time, reporter } = start();
    const files = Array.from({ length: 2000 }, (_, i) => planned(`f-${i}.bin`, i % 2 ? 200_000_000 : 3000));
    reporter.emit({ type: 'planned', plan: planOf(files), directory: '/d' });
    for (const { file } of files) {
      reporter.emit({ type: 'file-started', path: file.path, size: file.size, held: 0 });
      reporter.emit({ type: 'bytes', path: file.path, count: file.size });
      reporter.emit(retry(file.path));
      reporter.emit({ type: 'note', message: `note about ${file.path}` });
      reporter.emit({ type: 'file-finished', path: file.path, size: file.size, how: 'transferred' });
      time.advance(30);
    }
    reporter.close();
    // One minute: twelve intervals of one progress line, 5 files, 3 + 1 retries, 10 + 1 notes each, and the ends.
    expect(output.lines.length).toBeLessThan(13 * 21 + 5);
  });

  test('says that data does not come, once', () => {
    const { output, time, reporter } = start();
    reporter.emit({ type: 'planned', plan: planOf([planned('a', 1000)]), directory: '/d' });
    time.advance(60_000);
    expect(output.lines.slice(2)).toEqual([
      'fetch: 0% 0 B of 1.00 kB, 0 B/s, waiting for data, 0 of 1 files',
    ]);
    reporter.close();
  });

  test('prints names from a server without control codes, and traces only when verbose', () => {
    for (const verbose of [false, true]) {
      const { output, reporter } = start(verbose);
      reporter.emit({ type: 'note', message: 'skipped \x1b[2Jevil\u202e\nname' });
      reporter.emit({ type: 'trace', message: 'GET /api' });
      reporter.close();
      expect(output.lines).toEqual(['fetch: skipped evil name', ...(verbose ? ['fetch: GET /api'] : [])]);
    }
  });

  test('stops its timer', () => {
    const { time, reporter } = start();
    expect(time.timers).toBe(1);
    reporter.close();
    expect(time.timers).toBe(0);
  });
});
