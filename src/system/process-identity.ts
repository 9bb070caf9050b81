import type { Clock, Random } from './clock.ts';

/** The process that holds a lock. `startedAt` tells it from a later process with the same id. */
export interface ProcessIdentity {
  /** Process id. */
  readonly pid: number;
  /** Name of the machine. */
  readonly host: string;
  /**
   * Boot id and PID namespace, as `BOOT/SPACE`: containers and virtual machines often have the same host name, and do
   * not see each other's processes. Empty if the system has neither.
   */
  readonly machine?: string;
  /** When the process started, in the system's form; empty if unknown. */
  readonly startedAt: string;
}

/** What locks need to know of this process and of others. */
export interface ProcessContext {
  /** This process. */
  readonly owner: ProcessIdentity;
  /** When the running process with this id started; undefined if there is none. */
  readonly processStart: (pid: number) => string | undefined;
  /** Time, for heartbeats. */
  readonly clock: Clock;
  /** Source of randomness, for names that no other run uses. */
  readonly random: Random;
}

/** A key of host, boot and PID namespace: processes with the same key can see each other. */
export function placeOf({ host, machine = '' }: ProcessIdentity): string {
  return machine === '' ? host : `${host}/${machine}`;
}

/** Whether this process can see another one. Records of version 0.1.0 hold the host only. */
export function isHere(owner: ProcessIdentity, own: ProcessIdentity): boolean {
  return owner.host === own.host && (owner.machine === '' || placeOf(owner) === placeOf(own));
}

/** The boot id of a process's machine; empty if unknown. */
export function bootOf({ machine = '' }: ProcessIdentity): string {
  return machine.split('/')[0] ?? '';
}

export function parseOwner(text: string): ProcessIdentity | undefined {
  try {
    const { pid, host, machine, startedAt } = JSON.parse(text) as Record<string, unknown>;
    if (!Number.isSafeInteger(pid) || (pid as number) <= 0 || typeof host !== 'string') return undefined;
    return {
      pid: pid as number,
      host,
      machine: typeof machine === 'string' ? machine : '',
      startedAt: typeof startedAt === 'string' ? startedAt : '',
    };
  } catch {
    return undefined;
  }
}
