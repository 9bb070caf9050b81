import type { Clock, Random } from './clock.ts';
import type { ProcessContext } from './process-identity.ts';

/** What a run takes from outside: time, random numbers, its process identity, and properties of the machine. */
export interface Environment {
  /** Time. */
  readonly clock: Clock;
  /** Random numbers, for waits and names. */
  readonly random: Random;
  /** The identity with which the run takes directory locks. */
  readonly lock: ProcessContext;
  /** Which rules file names must follow. */
  readonly platform: 'posix' | 'win32';
  /** Whether names that differ only in case are the same file, if the file system does not tell. */
  readonly ignoresCase: boolean;
  /** Sent with every request. */
  readonly userAgent: string;
  /** How many more files and connections this process may open now; undefined if the system does not report it. */
  readonly freeDescriptors?: (() => number | undefined) | undefined;
  /** Processors that threads may use. */
  readonly processors: number;
}
