import { spawnSync } from 'node:child_process';
import { chownSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { PROGRAM } from './run-program.ts';

const isRoot = process.getuid?.() === 0;
/** The user `nobody`, on every system that has setpriv. */
const NOBODY = 65_534;
const ASIDE = ['setpriv', '--reuid', `${NOBODY}`, '--regid', `${NOBODY}`, '--clear-groups'];

/**
 * Runs the program as a user for whom permissions count: containers run tests as root, who may do everything.
 * Undefined if this user cannot become `nobody`, or if that user cannot read the program.
 */
export const unprivileged: readonly string[] | undefined = command();

function command(): readonly string[] | undefined {
  if (process.platform === 'win32') return undefined;
  if (!isRoot) return [process.execPath, PROGRAM];
  const whole = [...ASIDE, process.execPath, PROGRAM];
  return spawnSync(whole[0] ?? '', [...whole.slice(1), '--version']).status === 0 ? whole : undefined;
}

/** Gives a directory, with all that is in it, to the user of `unprivileged`. */
export function handOver(directory: string): void {
  if (!isRoot) return;
  chownSync(directory, NOBODY, NOBODY);
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    chownSync(join(entry.parentPath, entry.name), NOBODY, NOBODY);
  }
}
