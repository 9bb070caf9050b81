import { spawnSync } from 'node:child_process';

/** CPU time of this process in milliseconds: work costs the same of it, whatever else the machine does. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/**
 * What this machine adds to a promise of so many seconds just now: 20 times as long as Node needs to start and end,
 * which is a second on one that does nothing else, and grows with its load.
 */
export function slackMs(): number {
  const began = performance.now();
  spawnSync(process.execPath, ['-e', '0']);
  return 20 * (performance.now() - began);
}
