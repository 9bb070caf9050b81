import { execFileSync } from 'node:child_process';
import { onTestFinished } from 'vitest';
import { temporaryDirectory } from './temporary-directory.ts';

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
  const directory = temporaryDirectory();
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kibibytes}k`, 'fetch-test', directory]);
  onTestFinished(() => {
    execFileSync('umount', ['--lazy', directory]);
  });
  return directory;
}

export function makeReadOnly(directory: string): void {
  execFileSync('mount', ['-o', 'remount,ro', directory]);
}

/** A disk of its own in place of a directory that is there, until it is disposed of. */
export function mountAt(directory: string): Disposable {
  return mounted(directory, ['-t', 'tmpfs', '-o', 'size=64m', 'fetch-test', directory]);
}

/** A directory in a second place; a file cannot be moved from one to the other, although it is one disk. */
export function bindAt(source: string, directory: string): Disposable {
  return mounted(directory, ['--bind', source, directory]);
}

function mounted(directory: string, words: readonly string[]): Disposable {
  execFileSync('mount', words);
  return { [Symbol.dispose]: () => execFileSync('umount', ['--lazy', directory]) };
}
