import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { compiled } from '../../../support/compiled.ts';
import { MIB } from '../../../support/store-kit.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';

const canTrace = spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0;

/** A run of a store in another process that brings files of these sizes. */
function runArguments(directory: string, sizes: readonly number[]): string[] {
  const program = join(import.meta.dirname, '../../../support/store-run.js');
  const store = new URL('store/directory/directory-store.js', compiled()).href;
  return [process.execPath, program, store, directory, sizes.join()];
}

interface Call {
  readonly text: string;
  /** Lines of the trace where it began and where it was over. */
  readonly begun: number;
  readonly over: number;
}

/** The calls of a trace by strace, which cuts in two what another thread interrupts. */
function readTrace(trace: string): Call[] {
  const calls: Call[] = [];
  const cut = new Map<string, { text: string; begun: number }>();
  for (const [number, line] of trace.split('\n').entries()) {
    const [, thread = '', rest = ''] = /^(\d+) +(.*)$/.exec(line) ?? [];
    const unfinished = rest.split(' <unfinished ...>');
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest);
    if (unfinished.length > 1) cut.set(thread, { text: unfinished[0]!, begun: number });
    else if (resumed === null) calls.push({ text: rest, begun: number, over: number });
    else
      calls.push({ text: cut.get(thread)!.text + resumed[1], begun: cut.get(thread)!.begun, over: number });
  }
  return calls.filter((call) => / = 0$/.test(call.text));
}

test.skipIf(!canTrace)('content is durable before it has its name, and the manifest as well', () => {
  const root = temporaryDirectory();
  const trace = join(root, 'trace');
  const directory = join(root, 'target');
  const calls = 'trace=fdatasync,fsync,openat,rename,renameat,renameat2';
  const run = runArguments(directory, [5, MIB + 5]);
  execFileSync('strace', ['-f', '-y', '-s', '4096', '-o', trace, '-e', calls, ...run]);
  const done = readTrace(readFileSync(trace, 'utf8'));
  const renames = done.filter((call) => call.text.startsWith('rename'));
  for (const final of ['sub/5', `sub/${MIB + 5}`, '.cache/fetch/manifest.json']) {
    // On Linux a file is moved into a directory that is open.
    const name = new RegExp(`"(${join(directory, final)}|/proc/self/fd/\\d+/${basename(final)})"`);
    const renamed = renames.filter((call) => name.test(call.text));
    expect(renamed).toHaveLength(1);
    const source = /"([^"]+)"/.exec(renamed[0]!.text)![1];
    const durable = done.find(
      (call) => call.text.startsWith('fdatasync') && call.text.includes(`<${source}>`),
    );
    expect(durable?.over).toBeLessThan(renamed[0]!.begun);
  }
  // The names as well: of the files before the manifest speaks of them, of the manifest before the run ends.
  const manifest = renames.find((call) => call.text.includes(`"${directory}/.cache/fetch/manifest.json"`))!;
  const flushed = (path: string) =>
    done.filter((call) => new RegExp(`^fsync\\(\\d+<${path}>`).test(call.text));
  for (const path of [join(directory, 'sub'), directory]) {
    expect(flushed(path)[0]?.over).toBeLessThan(manifest.begun);
  }
  expect(flushed(join(directory, '.cache/fetch')).at(-1)?.begun).toBeGreaterThan(manifest.over);
});

test.skipIf(process.platform === 'win32')('a file of which the system took only a part has no name', () => {
  const directory = join(temporaryDirectory(), 'target');
  // The first write of the large file is cut short and not an error yet.
  const limited = ['-c', 'ulimit -f 1500 && exec "$@"', 'bash', ...runArguments(directory, [5, 2 * MIB])];
  expect(execFileSync('bash', limited, { encoding: 'utf8' })).toBe(`sub/${2 * MIB}: DISK\n`);
  expect(existsSync(join(directory, 'sub/5'))).toBe(true);
  expect(existsSync(join(directory, `sub/${2 * MIB}`))).toBe(false);
});

test.skipIf(!canTrace)('a journal calls durable only what the disk had said is', () => {
  const root = temporaryDirectory();
  const trace = join(root, 'trace');
  // So much makes a checkpoint.
  const run = runArguments(join(root, 'target'), [257 * MIB]);
  execFileSync('strace', ['-f', '-y', '-s', '64', '-o', trace, '-e', 'trace=fdatasync,pwrite64', ...run]);
  const text = readFileSync(trace, 'utf8');
  const marks = text.split('\n').findIndex((line) => /pwrite64\(\d+<[^>]*\.blocks>, "(\\2)+/.test(line));
  expect(marks).toBeGreaterThan(-1);
  // The end of the file asks as well, in another thread: the one that is over first is what the journal waited for.
  const asked = readTrace(text).filter((call) => /^fdatasync\(\d+<[^>]*\.part>/.test(call.text));
  expect(asked.length).toBeGreaterThan(0);
  expect(Math.min(...asked.map((call) => call.over))).toBeLessThan(marks);
});
