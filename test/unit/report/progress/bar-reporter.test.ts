import { describe, expect, test } from 'vitest';
import type { TransferEvent } from '../../../../src/model/event.ts';
import { createBarReporter } from '../../../../src/report/progress/bar-reporter.ts';
import type { Output } from '../../../../src/report/progress/output.ts';
import type { Reporter } from '../../../../src/report/progress/reporter.ts';
import { ManualTime } from '../../../support/manual-time.ts';
import { Screen } from '../../../support/screen.ts';
import { planned, planOf, REVISION } from '../records.ts';

interface Run {
  readonly screen: Screen;
  readonly time: ManualTime;
  readonly reporter: Reporter;
}

async function start(columns: number, rest: { rows?: number; colour?: boolean } = {}): Promise<Run> {
  const screen = new Screen(columns, rest.rows ?? 24);
  const time = new ManualTime();
  const colour = rest.colour ?? false;
  const subject = 'TheBloke/Mistral-7B-GPTQ';
  const reporter = await createBarReporter({ output: screen, time, verbose: false, colour, subject });
  return { screen, time, reporter };
}

const BIG = [1, 2, 3].map((i) => planned(`model-0000${i}-of-00003.safetensors`, 1_000_000_000 * i));

function begin({ reporter }: Run, files = BIG): void {
  reporter.emit({ type: 'planned', plan: planOf(files), directory: '/d' });
  for (const { file } of files) {
    reporter.emit({ type: 'file-started', path: file.path, size: file.size, held: 0 });
  }
}

function move({ reporter, time }: Run, frames: number, bytes: number): void {
  for (let i = 0; i < frames; i += 1) {
    for (const { file } of BIG) reporter.emit({ type: 'bytes', path: file.path, count: bytes });
    time.advance(100);
  }
}

describe('bar reporter', () => {
  test('shows one status line before the transfer', async () => {
    const { screen, time, reporter } = await start(80);
    time.advance(100);
    expect(screen.lines).toEqual(['resolving TheBloke/Mistral-7B-GPTQ']);
    expect(screen.cursorVisible).toBe(false);
    reporter.emit({ type: 'resolved', asked: REVISION.repo, revision: REVISION });
    time.advance(100);
    expect(screen.lines).toEqual(['TheBloke/Mistral-7B-GPTQ, gptq-8bit at 0123456', 'listing files']);
    reporter.emit({ type: 'listing', files: 1500 });
    time.advance(100);
    expect(screen.lines.at(-1)).toBe('listing 1,500 files');
    reporter.close();
    expect(screen.lines).toEqual(['TheBloke/Mistral-7B-GPTQ, gptq-8bit at 0123456']);
    expect(screen.cursorVisible).toBe(true);
  });

  test('paused, it paints nothing and the cursor is there; then it begins anew below what was written meanwhile', async () => {
    const run = await start(80);
    const { screen, time, reporter } = run;
    begin(run);
    move(run, 20, 1000);
    const before = screen.lines.filter((line) => !/\d%/.test(line));
    const goOn = reporter.pause();
    expect(screen.lines).toEqual(before);
    expect(screen.cursorVisible).toBe(true);
    screen.write('Download 300 kB of main? [Y/n] ');
    const { writes } = screen;
    move(run, 20, 1000);
    reporter.emit({ type: 'note', message: 'said meanwhile' });
    time.advance(500);
    expect(screen.writes).toBe(writes);
    screen.write('y\n');
    goOn();
    time.advance(100);
    expect(screen.lines.slice(0, before.length + 2)).toEqual([
      ...before,
      'Download 300 kB of main? [Y/n] y',
      'said meanwhile',
    ]);
    expect(screen.lines.at(-1)).toMatch(/\d%/);
    expect(screen.cursorVisible).toBe(false);
    reporter.close();
    expect(screen.lines).toEqual([...before, 'Download 300 kB of main? [Y/n] y', 'said meanwhile']);
    expect(screen.cursorVisible).toBe(true);
  });

  test('in the background it says what is to be said, and paints no rows', async () => {
    const run = await start(80);
    const { screen, time, reporter } = run;
    let isForeground = false;
    Object.assign(screen, { isForeground: () => isForeground });
    begin(run);
    move(run, 20, 1000);
    expect(screen.lines).toHaveLength(2);
    expect(screen.cursorVisible).toBe(true);
    expect(screen.raw).not.toContain('\x1b');
    isForeground = true;
    time.advance(100);
    expect(screen.lines.at(-1)).toMatch(/\d%/);
    reporter.close();
  });

  test('at 80 columns', async () => {
    const run = await start(80);
    begin(run);
    move(run, 20, 5_000_000);
    run.reporter.emit({ type: 'file-verifying', path: 'model-00001-of-00003.safetensors' });
    run.time.advance(100);
    expect(run.screen.lines).toEqual([
      '3 files, 6.00 GB; to fetch: 6.00 GB',
      'into /d',
      '[#...........]   10%  model-00001-of-00003.safetensors          verifying',
      '[............]    5%  model-00002-of-00003.safetensors          100 MB/2.00 GB',
      '[............]    3%  model-00003-of-00003.safetensors          100 MB/3.00 GB',
      '[............]    5%  300 MB/6.00 GB  143 MB/s  40s left  0/3 files',
    ]);
    run.reporter.close();
  });

  test('at 60 columns there is room for figures, and names keep what tells them apart', async () => {
    const run = await start(60);
    begin(run);
    move(run, 20, 5_000_000);
    expect(run.screen.lines.slice(2)).toEqual([
      ' 10%  model-00001-of-00003.safetensors      100 MB/1.00 GB',
      '  5%  model-00002-of-00003.safetensors      100 MB/2.00 GB',
      '  3%  model-00003-of-00003.safetensors      100 MB/3.00 GB',
      '  5%  300 MB/6.00 GB  150 MB/s  38s left  0/3 files',
    ]);
    run.reporter.close();
  });

  test('at 40 columns', async () => {
    const run = await start(40);
    begin(run);
    move(run, 20, 5_000_000);
    expect(run.screen.lines.slice(2)).toEqual([
      ' 10% model-00001-of-00003.safetensors',
      '  5% model-00002-of-00003.safetensors',
      '  3% model-00003-of-00003.safetensors',
      '  5% 300 MB/6.00 GB 150 MB/s 38s left',
    ]);
    run.reporter.close();
  });

  test.each([20, 30, 40, 58, 59, 60, 80, 98, 120, 200])(
    'no row reaches the edge of %d columns',
    async (columns) => {
      const run = await start(columns, { colour: true });
      run.time.advance(100);
      const wide = planned(`${'日本語/'.repeat(30)}model.bin`, 4_000_000_000);
      begin(run, [...BIG, wide]);
      run.screen.wrapped = false;
      run.time.advance(100);
      // The sentence about the plan may wrap; the rows may not.
      const rowsStart = run.screen.lines.length - 5;
      move(run, 30, 9_999_999);
      for (const line of run.screen.lines.slice(rowsStart)) expect(line.length).toBeLessThan(columns);
      run.screen.wrapped = false;
      run.reporter.emit({ type: 'file-failed', path: 'x', code: 'NETWORK', message: 'y' });
      move(run, 30, 9_999_999);
      if (columns > 20) expect(run.screen.wrapped).toBe(false);
      run.reporter.close();
    },
  );

  test('notices go above the rows and tear nothing', async () => {
    const run = await start(60);
    begin(run);
    move(run, 5, 1000);
    const rows = run.screen.lines.slice(2).map((line) => line.slice(0, 22));
    const message = `a long note that does not fit into one line of this terminal and goes on, \x1b[2Jcleanly`;
    run.reporter.emit({ type: 'note', message });
    run.time.advance(100);
    expect(run.screen.lines[2]).toBe('a long note that does not fit into one line of this terminal');
    expect(run.screen.lines[3]).toBe(' and goes on, cleanly');
    expect(run.screen.lines.slice(4).map((line) => line.slice(0, 22))).toEqual(rows);
    run.reporter.close();
    expect(run.screen.lines.length).toBe(4);
  });

  test('rows of finished files go away and leave nothing behind', async () => {
    const run = await start(80);
    begin(run);
    move(run, 2, 1000);
    expect(run.screen.lines.length).toBe(6);
    for (const { file } of BIG) {
      run.reporter.emit({ type: 'file-finished', path: file.path, size: file.size, how: 'transferred' });
    }
    run.time.advance(100);
    expect(run.screen.lines.slice(2)).toEqual(['[############]  100%  6.00/6.00 GB  finishing  3/3 files']);
    run.reporter.close();
    expect(run.screen.lines.length).toBe(2);
  });

  test('two thousand small files make no rows, and slow ones share what room there is', async () => {
    const run = await start(80, { rows: 10 });
    const files = Array.from({ length: 2000 }, (_, i) => planned(`f-${i}.json`, 3000));
    run.reporter.emit({ type: 'planned', plan: planOf(files), directory: '/d' });
    let most = 0;
    for (const { file } of files) {
      run.reporter.emit({ type: 'file-started', path: file.path, size: 3000, held: 0 });
      run.time.advance(10);
      run.reporter.emit({ type: 'file-finished', path: file.path, size: 3000, how: 'transferred' });
      most = Math.max(most, run.screen.lines.length);
    }
    expect(most).toBe(3);
    for (let i = 0; i < 20; i += 1) {
      run.reporter.emit({ type: 'file-started', path: `slow-${i}`, size: 3000, held: 0 });
    }
    run.time.advance(700);
    // Ten rows of screen leave six to the files, the last of them for those that found no room.
    const names = run.screen.lines.slice(2, -2).map((line) => line.slice(22, 37).trim());
    expect(names).toEqual(['slow-0', 'slow-1', 'slow-2', 'slow-3', 'slow-4']);
    expect(run.screen.lines.at(-2)).toBe('+ 15 more files');
    run.reporter.close();
  });

  test('draws at most ten times a second, and not at all when nothing changes', async () => {
    const run = await start(80);
    begin(run);
    run.time.advance(1000);
    const before = run.screen.writes;
    run.time.advance(60_000);
    expect(run.screen.writes).toBe(before);
    for (let i = 0; i < 10_000; i += 1) {
      run.reporter.emit({ type: 'bytes', path: BIG[0]?.file.path ?? '', count: 1000 });
      if (i % 10 === 0) run.time.advance(1);
    }
    expect(run.screen.writes - before).toBeLessThanOrEqual(10);
    run.screen.writableNeedDrain = true;
    const stuck = run.screen.writes;
    move(run, 10, 1000);
    expect(run.screen.writes).toBe(stuck);
    run.reporter.close();
  });

  test('follows a resize, both ways', async () => {
    const run = await start(120);
    begin(run);
    move(run, 3, 1_000_000);
    for (const columns of [200, 120, 80, 60, 40, 100, 30]) {
      run.screen.resize(columns);
      run.time.advance(100);
      expect(run.screen.lines.length).toBe(columns < 36 ? 7 : 6);
      move(run, 3, 1_000_000);
      expect(run.screen.lines.length).toBe(columns < 36 ? 7 : 6);
    }
    run.reporter.close();
    expect(run.screen.lines.join('')).toBe('3 files, 6.00 GB; to fetch: 6.00 GBinto /d');
  });

  test('colours only when asked to, and only a little', async () => {
    const failure: TransferEvent = { type: 'file-failed', path: 'x', code: 'INTEGRITY', message: 'differs' };
    for (const colour of [false, true]) {
      const run = await start(80, { colour });
      begin(run);
      run.reporter.emit(failure);
      move(run, 3, 1000);
      run.reporter.close();
      expect(run.screen.raw.includes('\x1b[31mx failed: differs\x1b[39m')).toBe(colour);
      expect(/\x1b\[\d+m/.test(run.screen.raw)).toBe(colour);
    }
  });

  test('close gives the cursor back, prints what was waiting, and ends everything', async () => {
    const run = await start(80);
    begin(run);
    run.time.advance(100);
    for (let i = 0; i < 5; i += 1) {
      run.reporter.emit({
        type: 'retrying',
        what: 'x',
        attempt: 1,
        delayMs: 0,
        code: 'NETWORK',
        message: 'reset',
      });
    }
    run.reporter.close();
    expect(run.screen.lines.slice(-2)).toEqual(['retrying x (attempt 1): reset', 'and 2 more retries']);
    expect(run.screen.cursorVisible).toBe(true);
    expect(run.time.timers).toBe(0);
    const { writes } = run.screen;
    run.reporter.close();
    run.reporter.emit({ type: 'note', message: 'late' });
    run.time.advance(1000);
    expect(run.screen.writes).toBe(writes);
  });

  test('the standard streams of a process are outputs', () => {
    const outputs: readonly Output[] = [process.stderr, process.stdout];
    expect(outputs.length).toBe(2);
  });

  test('a run that ends before the first frame touches nothing but its notices', async () => {
    const run = await start(80);
    run.reporter.emit({ type: 'note', message: 'hello' });
    run.reporter.close();
    expect(run.screen.raw).toBe('hello\n');
  });
});
