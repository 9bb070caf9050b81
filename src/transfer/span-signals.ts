import type { Span } from './work.ts';

/** Reason of an abort that only says: another lane has taken over, or the file is settled. */
const TAKEN = new Error('another lane has taken over');

/** A signal for every span under way, by which its lane is told to let go of it. */
export class SpanSignals {
  readonly #controllers = new Map<Span, AbortController>();

  begin(span: Span): AbortSignal {
    const controller = new AbortController();
    this.#controllers.set(span, controller);
    return controller.signal;
  }

  end(span: Span): void {
    this.#controllers.delete(span);
  }

  stop(span: Span): void {
    this.#controllers.get(span)?.abort(TAKEN);
  }

  stopAll(reason: unknown): void {
    for (const controller of this.#controllers.values()) controller.abort(reason);
  }
}
