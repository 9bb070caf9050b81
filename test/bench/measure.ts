import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from '../support/command.ts';
import { mainThreadBelow, memoryBelow, processTree } from './process-tree.ts';

export interface Measured {
  readonly wallMs: number;
  /** User and system time of the process and of everything it waited for. */
  readonly cpuMs: number;
  /** The greater of: the tree's memory at one moment, one process' own high-water mark. */
  readonly peakBytes: number;
  /** CPU time of the main thread of the busiest process; what it did in the last `SAMPLE_MS` is missing. */
  readonly mainMs: number;
  /** As a shell has it: 128 + n for signal n. */
  readonly exit: number;
  /** End of what it printed. */
  readonly output: string;
}

const SAMPLE_MS = 25;

/**
 * A shell that does nothing but look at the clock before and after, and let the kernel count the CPU time of the
 * one child. Its own start is outside the clock; its memory and CPU time are not counted.
 */
const STOPWATCH = `
exec 4>"$1" 5>"$2"; shift 2
TIMEFORMAT='%3U %3S'
began=$EPOCHREALTIME
{ time "$@" </dev/null >&4 2>&4 4>&- 5>&-; } 2>&5
status=$?
printf '%s %s %s\\n' "$began" "$EPOCHREALTIME" "$status"
`;

/**
 * Runs a command to its end. `during` may watch the run, and can kill what runs (the stopwatch goes on, and counts).
 * `scratch` is a directory for the two files that come of it.
 */
export async function measure(
  command: Command,
  scratch: string,
  during?: (kill: () => void) => void,
): Promise<Measured> {
  const log = join(scratch, 'output');
  const times = join(scratch, 'times');
  const child = spawn(
    'bash',
    ['--noprofile', '--norc', '-c', STOPWATCH, 'stopwatch', log, times, ...command.argv],
    {
      env: { ...command.env, LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'ignore'],
      cwd: scratch,
    },
  );
  const pid = child.pid ?? 0;
  let peakBytes = 0;
  let mainMs = 0;
  const sample = (): void => {
    const { together, highest } = memoryBelow(pid);
    peakBytes = Math.max(peakBytes, together, highest);
    mainMs = Math.max(mainMs, mainThreadBelow(pid));
  };
  const timer = setInterval(sample, SAMPLE_MS);
  let printed = '';
  child.stdout.on('data', (piece: Buffer) => {
    printed += piece.toString();
  });
  during?.(() => {
    sample();
    for (const below of processTree(pid).slice(1).reverse()) process.kill(below, 'SIGKILL');
  });
  await once(child, 'close');
  clearInterval(timer);
  const [began, ended, status] = printed.trim().split(' ').map(Number);
  // The shell may say "Killed" before the times.
  const [user = Number.NaN, system = Number.NaN] =
    readFileSync(times, 'utf8').trim().split('\n').at(-1)?.split(' ').map(Number) ?? [];
  return {
    wallMs: ((ended ?? Number.NaN) - (began ?? Number.NaN)) * 1000,
    cpuMs: (user + system) * 1000,
    peakBytes,
    mainMs,
    exit: status ?? -1,
    output: readFileSync(log, 'utf8').slice(-600),
  };
}
