import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const MIB = 1024 * 1024;
/** Zeros that fill a smaller file take no time that is felt. */
const MIN_MARKED_BYTES = 64 * MIB;
/** How far beyond what is written connections begin where the file system fills the gap with zeros. */
const ZERO_FILL_REACH_BYTES = 256 * MIB;
/** By its whole path: a program of this name in the working directory must not be run instead. */
const FSUTIL = 'C:\\Windows\\System32\\fsutil.exe';
const FSUTIL_TIMEOUT_MS = 10_000;

/** Runs a program to its end. Rejects if it fails. */
export type RunProgram = (program: string, words: readonly string[]) => Promise<void>;

/**
 * Prepares a file for writes at any place. NTFS writes zeros up to a place that is far beyond the end of a file, with the
 * writer waiting, unless the file is marked as sparse; Node cannot mark it, and `fsutil` can. Other systems leave a hole.
 * Returns how many bytes beyond the end a write may begin; undefined for any number.
 */
export async function allowFarWrites(
  path: string,
  size: number,
  platform: 'posix' | 'win32',
  run: RunProgram = runProgram,
): Promise<number | undefined> {
  if (!fillsWithZeros(platform, size)) return undefined;
  try {
    // It must exist to be marked. What an earlier run wrote into it stays.
    await writeFile(path, '', { flag: 'a' });
    await run(FSUTIL, ['sparse', 'setflag', path]);
    return undefined;
  } catch {
    // FAT and exFAT have no such mark, and a network drive may refuse it.
    return ZERO_FILL_REACH_BYTES;
  }
}

/** Whether a write far beyond the end of a file of this size may take long. */
export function fillsWithZeros(platform: 'posix' | 'win32', size: number): boolean {
  return platform === 'win32' && size > MIN_MARKED_BYTES;
}

async function runProgram(program: string, words: readonly string[]): Promise<void> {
  await promisify(execFile)(program, [...words], { timeout: FSUTIL_TIMEOUT_MS, windowsHide: true });
}
