import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { availableParallelism, hostname } from 'node:os';
import { VERSION } from '../model/version.ts';
import { systemClock, systemRandom } from '../system/clock.ts';
import { bootId } from '../system/disk/boot-id.ts';
import type { Environment } from '../system/environment.ts';

/** Options of `createEnvironment`. */
export interface EnvironmentOptions {
  /** The program that uses the library, `my-program/1.2`: appended to the user agent. */
  readonly client?: string | undefined;
}

/**
 * Clock, random numbers, process identity for directory locks, and platform of this process. Reads no environment
 * variable and keeps no state; one environment may serve any number of runs. Tests replace single fields.
 */
export function createEnvironment({ client }: EnvironmentOptions = {}): Environment {
  return {
    clock: systemClock,
    random: systemRandom,
    lock: {
      owner: {
        pid: process.pid,
        host: hostname(),
        machine: machine(),
        startedAt: processStart(process.pid) ?? '',
      },
      processStart,
      clock: systemClock,
      random: systemRandom,
    },
    platform: process.platform === 'win32' ? 'win32' : 'posix',
    ignoresCase: process.platform === 'win32' || process.platform === 'darwin',
    userAgent: `fetch/${VERSION}; node/${process.versions.node}${client ? `; ${client}` : ''}`,
    freeDescriptors,
    processors: availableParallelism(),
  };
}

/** Id of the boot and of the PID namespace; empty if the system has neither. */
function machine(): string {
  const boot = bootId();
  try {
    return `${boot}/${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return boot;
  }
}

/**
 * Start time of a live process, in the system's units; empty if it is unknown, undefined if there is no such process.
 * Linux: field 22 of /proc/PID/stat, after the name in parentheses.
 */
function processStart(pid: number): string | undefined {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it is alive and belongs to another user.
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return undefined;
  }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // Z: a zombie has ended, and its parent has not collected it yet.
    return fields[0] === 'Z' ? undefined : (fields[19] ?? '');
  } catch {
    return '';
  }
}

/** Linux: the limit of this process (Node raises it to the maximum), minus open descriptors. */
function freeDescriptors(): number | undefined {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8');
    const limit = Number(/^Max open files +(\d+)/m.exec(limits)?.[1] ?? Number.NaN);
    return Number.isNaN(limit) ? undefined : limit - readdirSync('/proc/self/fd').length;
  } catch {
    return undefined;
  }
}
