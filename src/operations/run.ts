import { FetchError, toFetchError } from '../model/error.ts';
import type { Emit } from '../model/event.ts';
import { onAbort } from '../system/on-abort.ts';
import type { RunContext } from '../system/run-context.ts';
import { createEnvironment } from './create-environment.ts';
import type { RunOptions } from './options.ts';

/**
 * Runs one operation of the library, with defaults for the run options. Every rejection is a FetchError: an abort is ABORTED
 * with the signal's reason as its cause, unless the reason is a FetchError itself.
 */
export async function withRunContext<T>(
  options: RunOptions,
  work: (run: RunContext) => Promise<T>,
): Promise<T> {
  const { environment = createEnvironment(), onEvent = () => {} } = options;
  // A controller of its own: a listener that throws ends the run too, and not the process.
  const controller = new AbortController();
  const { signal } = controller;
  let isBroken = false;
  const emit: Emit = (event) => {
    // Events are emitted after an abort too: tasks that end in order have results.
    if (isBroken) return;
    try {
      onEvent(event);
    } catch (thrown) {
      isBroken = true;
      controller.abort(thrown);
    }
  };
  const outer = options.signal;
  const stopListening = outer === undefined ? () => {} : onAbort(outer, () => controller.abort(outer.reason));
  try {
    if (outer?.aborted === true) controller.abort(outer.reason);
    signal.throwIfAborted();
    return await work({ environment, emit, signal });
  } catch (thrown) {
    throw toRunError(thrown, signal, outer?.aborted === true);
  } finally {
    stopListening();
  }
}

function toRunError(thrown: unknown, signal: AbortSignal, wasAsked: boolean): FetchError {
  if (thrown instanceof FetchError) return thrown;
  if (!signal.aborted) return toFetchError(thrown);
  const { reason } = signal;
  if (reason instanceof FetchError) return reason;
  const why = wasAsked ? 'the signal ended the run' : 'onEvent threw, which ended the run';
  return new FetchError('ABORTED', why, {
    cause: reason,
    hint: 'Run it again to go on from there: what was fetched is kept.',
  });
}
