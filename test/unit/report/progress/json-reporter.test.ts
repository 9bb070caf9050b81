import { describe, expect, test } from 'vitest';
import {
  createJsonReporter,
  doneLine,
  errorLine,
  safeJson,
} from '../../../../src/report/progress/json-reporter.ts';
import { ManualTime } from '../../../support/manual-time.ts';
import { Pipe, planned, planOf, REVISION } from '../records.ts';

describe('JSON reporter', () => {
  test('writes each event of the contract with its fields', () => {
    const output = new Pipe();
    const time = new ManualTime();
    const reporter = createJsonReporter({ output, time });
    const plan = planOf([planned('kept', 100, { action: 'keep' }), planned('new', 2000)]);
    reporter.emit({ type: 'resolved', asked: REVISION.repo, revision: REVISION });
    reporter.emit({ type: 'planned', plan, directory: '/d' });
    reporter.emit({ type: 'file-finished', path: 'kept', size: 100, how: 'kept' });
    reporter.emit({ type: 'file-started', path: 'new', size: 2000, held: 0 });
    reporter.emit({ type: 'bytes', path: 'new', count: 500 });
    time.advance(1000);
    reporter.emit({
      type: 'retrying',
      what: 'new',
      attempt: 2,
      delayMs: 1500,
      code: 'NETWORK',
      message: 'reset',
    });
    reporter.emit({ type: 'note', message: 'for people' });
    reporter.emit({ type: 'trace', message: 'for people' });
    reporter.emit({ type: 'file-failed', path: 'new', code: 'INTEGRITY', message: 'differs' });
    reporter.close();
    reporter.emit({ type: 'file-finished', path: 'new', size: 2000, how: 'transferred' });
    expect(output.text).toBe(
      `{"event":"resolved","v":1,"repo":"TheBloke/Mistral-7B-GPTQ","revision":"gptq-8bit","commit":"${REVISION.id}"}
{"event":"planned","v":1,"files":2,"bytes":2100,"held":100}
{"event":"file","v":1,"path":"kept","bytes":100,"how":"kept"}
{"event":"progress","v":1,"bytes":600,"total":2100,"rate":500}
{"event":"retry","v":1,"what":"new","attempt":2,"delay":1.5,"code":"NETWORK","message":"reset"}
{"event":"failed","v":1,"path":"new","code":"INTEGRITY","message":"differs"}
`,
    );
    expect(time.timers).toBe(0);
  });

  test('writes progress at most once per second, and nothing while nothing changes', () => {
    const output = new Pipe();
    const time = new ManualTime();
    const reporter = createJsonReporter({ output, time });
    reporter.emit({ type: 'planned', plan: planOf([planned('a', 1e9)]), directory: '/d' });
    for (let i = 0; i < 10_000; i += 1) {
      reporter.emit({ type: 'bytes', path: 'a', count: 1000 });
      time.advance(1);
    }
    time.advance(600_000);
    // Ten while bytes came, a few while the rate fell to nothing, then silence.
    expect(output.lines.length).toBeGreaterThan(10);
    expect(output.lines.length).toBeLessThanOrEqual(1 + 10 + 6);
    expect(JSON.parse(output.lines.at(-1) ?? '')).toMatchObject({ bytes: 10_000_000, rate: 0 });
    reporter.close();
  });

  test('names the dataset and space repositories as people write them', () => {
    const output = new Pipe();
    const reporter = createJsonReporter({ output, time: new ManualTime() });
    const repo = { type: 'dataset', id: 'owner/name' } as const;
    reporter.emit({ type: 'resolved', asked: repo, revision: { ...REVISION, repo } });
    expect(JSON.parse(output.text)).toMatchObject({ repo: 'datasets/owner/name' });
    reporter.close();
  });

  test('the last lines', () => {
    const done = { path: '/d', commit: 'c', files: 2, bytes: 10, fetchedBytes: 8, elapsedMs: 1234.4 };
    expect(doneLine(done)).toBe(
      '{"event":"done","v":1,"path":"/d","commit":"c","files":2,"bytes":10,"fetched":8,"seconds":1.234}\n',
    );
    expect(errorLine({ code: 'ACCESS', exit: 5, message: 'gated', hint: undefined })).toBe(
      '{"event":"error","v":1,"code":"ACCESS","exit":5,"message":"gated","hint":null}\n',
    );
  });

  test('a name arrives as it was, and is harmless on the way', () => {
    const name = 'a\x1b[2J\x9b\u202eb\u2028\n\ufeff日';
    const json = safeJson({ name });
    expect(json).not.toMatch(/[\p{Cc}\u2028\u202e\ufeff]/u);
    expect(JSON.parse(json)).toEqual({ name });
  });
});
