import type { ClientRequest } from 'node:http';
import type { Clock } from '../../system/clock.ts';

/** End of each phase of one exchange, in milliseconds since its request; undefined for phases that were skipped. */
export interface Phases {
  lookup?: number;
  connect?: number;
  tls?: number;
  firstByte?: number;
  total?: number;
  /** The connection had served before. */
  kept: boolean;
}

/** Observes the phases of one request. `phases` is filled in as they end. */
export function watchPhases(
  outgoing: ClientRequest,
  clock: Clock,
): { readonly phases: Phases; readonly enter: (phase: string) => void } {
  const started = clock.monotonic();
  const phases: Phases = { kept: false };
  const since = () => clock.monotonic() - started;
  let secures = false;
  const enter = (phase: string) => {
    if (phase === 'tcp') phases.lookup ??= since();
    else if (phase === 'tls') {
      secures = true;
      phases.connect ??= since();
    } else if (phase === 'head' && !outgoing.reusedSocket) {
      if (secures) phases.tls ??= since();
      else phases.connect ??= since();
    }
  };
  outgoing.once('socket', () => {
    phases.kept = outgoing.reusedSocket;
  });
  outgoing.once('response', () => {
    phases.firstByte = since();
  });
  outgoing.once('close', () => {
    phases.total = since();
  });
  return { phases, enter };
}
