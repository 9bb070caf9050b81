import type { TransferEvent } from '../../model/event.ts';
import { formatCount, formatDuration, groupDigits, printable } from '../../model/format.ts';
import { Burst } from './burst.ts';

export type Tone = 'plain' | 'warning' | 'error' | 'faint';

/** A line that is printed above the progress display. */
export interface Notice {
  readonly text: string;
  readonly tone: Tone;
}

const BURST_WINDOW_MS = 5000;
/** Topics of the hub's own warnings that are shown. */
const MAX_WARNINGS = 3;

/** `retrying config.json in 1s (attempt 2): the connection was reset`: the same words in every command. */
export function retrySentence(event: Extract<TransferEvent, { type: 'retrying' }>): string {
  const when = event.delayMs > 0 ? ` in ${formatDuration(event.delayMs)}${endOf(event.until)}` : '';
  const what = printable(event.what);
  return `retrying ${what}${when} (attempt ${event.attempt}): ${printable(event.message)}`;
}

/**
 * Selects the events that get a line of their own and words them: retries, failures, notes and, with verbose, traces.
 * Bursts are collapsed, so that the elapsed time bounds the number of lines.
 */
export class Notices {
  readonly #verbose: boolean;
  readonly #retries = new Burst(3, BURST_WINDOW_MS);
  readonly #failures = new Burst(10, BURST_WINDOW_MS);
  readonly #notes = new Burst(10, BURST_WINDOW_MS);
  /** Warnings of the hub, by topic. */
  readonly #warnings = new Map<string, string>();

  constructor(options: { readonly verbose: boolean }) {
    this.#verbose = options.verbose;
  }

  of(event: TransferEvent, now: number): Notice | undefined {
    switch (event.type) {
      case 'retrying': {
        if (!this.#retries.admit(now)) return undefined;
        return { text: retrySentence(event), tone: 'warning' };
      }
      case 'file-failed':
        if (!this.#failures.admit(now)) return undefined;
        return { text: `${printable(event.path)} failed: ${printable(event.message)}`, tone: 'error' };
      case 'note':
        if (!this.#notes.admit(now)) return undefined;
        return { text: printable(event.message), tone: 'plain' };
      case 'hub-warning':
        if (this.#warnings.size < MAX_WARNINGS && !this.#warnings.has(event.topic))
          this.#warnings.set(event.topic, event.message);
        return undefined;
      case 'trace':
        return this.#verbose ? { text: printable(event.message), tone: 'faint' } : undefined;
      default:
        return undefined;
    }
  }

  /** Collapsed bursts whose window has ended. Call at every tick. */
  due(now: number): readonly Notice[] {
    return this.#summaries(this.#retries.drain(now), this.#failures.drain(now), this.#notes.drain(now));
  }

  /** All remaining collapsed bursts. Call once, at the end. */
  rest(): readonly Notice[] {
    const held = this.#summaries(this.#retries.drainNow(), this.#failures.drainNow(), this.#notes.drainNow());
    const warnings = [...this.#warnings.values()].map((message): Notice => {
      return { text: `the hub says: ${printable(message)}`, tone: 'faint' };
    });
    return [...held, ...warnings];
  }

  #summaries(retries: number, failures: number, notes: number): readonly Notice[] {
    const summaries: Notice[] = [];
    if (retries > 0) {
      const word = retries === 1 ? 'retry' : 'retries';
      summaries.push({ text: `and ${groupDigits(retries)} more ${word}`, tone: 'warning' });
    }
    if (failures > 0)
      summaries.push({ text: `and ${formatCount(failures, 'more file')} failed`, tone: 'error' });
    if (notes > 0) summaries.push({ text: `and ${formatCount(notes, 'more note')}`, tone: 'plain' });
    return summaries;
  }
}

/** `, until 14:05:30`: the local time at which a long wait ends. */
function endOf(until: number | undefined): string {
  return until === undefined ? '' : `, until ${new Date(until).toTimeString().slice(0, 8)}`;
}
