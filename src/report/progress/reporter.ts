import type { Emit } from '../../model/event.ts';

/** Turns events into output. Owns all timing and wording; knows nothing of the engine. */
export interface Reporter {
  readonly emit: Emit;
  /**
   * Hides the display until the returned function is called: for a question, or for another program on the terminal.
   */
  pause(): () => void;
  /** Stops timers and leaves the terminal as it was; nothing is printed afterwards. Safe to call twice. */
  close(): void;
}
