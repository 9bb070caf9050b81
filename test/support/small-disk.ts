import { execFileSync } from 'node:child_process';
import { onTestFinished } from 'vitest';
import { temporaryFolder } from './temporary-folder.ts';

/** Whether this user can mount file systems. Where he cannot, tests of full disks are skipped. */
export const canMount: boolean = process.platform === 'linux' && process.getuid?.() === 0 && tryMount();

function tryMount(): boolean {
  try {
    execFileSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/tmp'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** A file system of its own, as small as one likes. Goes away with the test. */
export function smallDisk(kibibytes: number): string {
  const folder = temporaryFolder();
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kibibytes}k`, 'fetch-test', folder]);
  onTestFinished(() => {
    execFileSync('umount', ['--lazy', folder]);
  });
  return folder;
}

export function makeReadOnly(folder: string): void {
  execFileSync('mount', ['-o', 'remount,ro', folder]);
}

/** A disk of its own in place of a folder that is there, until it is disposed of. */
export function mountAt(folder: string): Disposable {
  return mounted(folder, ['-t', 'tmpfs', '-o', 'size=64m', 'fetch-test', folder]);
}

/** A folder in a second place; a file cannot be moved from one to the other, although it is one disk. */
export function bindAt(source: string, folder: string): Disposable {
  return mounted(folder, ['--bind', source, folder]);
}

function mounted(folder: string, words: readonly string[]): Disposable {
  execFileSync('mount', words);
  return { [Symbol.dispose]: () => execFileSync('umount', ['--lazy', folder]) };
}
