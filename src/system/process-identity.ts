import type { Clock, Random } from './clock.ts';

/** Who holds a lock. `startedAt` tells a reused process id from the one that wrote it. */
export interface ProcessIdentity {
  /** Process id. */
  readonly pid: number;
  /** Name of the machine. */
  readonly host: string;
  /**
   * The start of the machine and the space of process ids, as `BOOT/SPACE`: containers and virtual machines often
   * bear the same name, and a process of one looks like a dead one to the other. Empty where there is no such thing.
   */
  readonly machine?: string;
  /** What the system says of the start of that process; empty where it says nothing. */
  readonly startedAt: string;
}

/** What locks need to know of this process and of others. */
export interface ProcessContext {
  /** This process. */
  readonly owner: ProcessIdentity;
  /** The start of a living process of this host, or undefined if there is none with that id. */
  readonly processStart: (pid: number) => string | undefined;
  /** Time, for heartbeats. */
  readonly clock: Clock;
  /** Chance, for names that nobody else uses. */
  readonly random: Random;
}

/** Processes of the same place can be asked after. */
export function placeOf({ host, machine = '' }: ProcessIdentity): string {
  return machine === '' ? host : `${host}/${machine}`;
}

/** Whether a process is one that we can ask after. Version 0.1.0 did not say more than the host. */
export function isHere(owner: ProcessIdentity, own: ProcessIdentity): boolean {
  return owner.host === own.host && (owner.machine === '' || placeOf(owner) === placeOf(own));
}

/** Which start of a machine it was; empty where the system has no name for it. */
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
