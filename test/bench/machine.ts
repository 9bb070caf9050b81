import { execFileSync } from 'node:child_process';
import { readFileSync, statfsSync } from 'node:fs';
import { cpus, freemem, release, tmpdir, totalmem, type } from 'node:os';
import type { Setting } from './render.ts';

const KINDS: Readonly<Record<number, string>> = {
  16914836: 'tmpfs',
  61267: 'ext4',
  1481003842: 'xfs',
  2435016766: 'btrfs',
  2035054128: 'overlay',
};

/** Where there is room for `bytes` in memory; else among the temporary files, which may be a disk. */
export function memoryPlace(bytes: number): string {
  try {
    const { bavail, bsize, type: kind } = statfsSync('/dev/shm');
    if (KINDS[kind] === 'tmpfs' && bavail * bsize >= bytes && available() >= bytes * 1.2) return '/dev/shm';
  } catch {
    // No such place on this system.
  }
  return tmpdir();
}

export function describePlace(directory: string): string {
  const { type: kind } = statfsSync(directory);
  return `${directory} (${KINDS[kind] ?? `file system ${kind.toString(16)}`})`;
}

export function describeMachine(
  root: string,
): Pick<Setting, 'cpu' | 'cores' | 'memoryGiB' | 'kernel' | 'shaInstructions' | 'commit'> {
  const processors = cpus();
  return {
    cpu: processors[0]?.model ?? 'unknown processor',
    cores: processors.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: `${type()} ${release()}`,
    shaInstructions: hasShaInstructions(),
    commit: commitOf(root),
  };
}

function hasShaInstructions(): boolean {
  try {
    return /\b(sha_ni|sha2)\b/.test(readFileSync('/proc/cpuinfo', 'utf8'));
  } catch {
    return false;
  }
}

function available(): number {
  try {
    const kilobytes = /^MemAvailable:\s+(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1];
    return Number(kilobytes) * 1024;
  } catch {
    return freemem();
  }
}

export function commitOf(root: string): string {
  const git = (...argv: string[]): string =>
    execFileSync('git', argv, { cwd: root, encoding: 'utf8' }).trim();
  try {
    const changed = git('status', '--porcelain', '--', 'src') !== '';
    return `${git('rev-parse', '--short', 'HEAD')}${changed ? ' with changes' : ''}`;
  } catch {
    return 'unknown';
  }
}
