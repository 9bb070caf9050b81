import type { Emit } from '../model/event.ts';
import type { Environment } from './environment.ts';

/** What an operation gets from its caller. Passed on whole. */
export interface RunContext {
  readonly environment: Environment;
  readonly emit: Emit;
  /** Ends the run. */
  readonly signal: AbortSignal;
}
