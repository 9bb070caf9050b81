import type { ClientRequest } from 'node:http';
import type { Clock } from '../../system/clock.ts';

/** When the phases of one exchange ended, in milliseconds since it was asked for; undefined for what was not needed. */
export interface Phases {
  lookup?: number;
  connect?: number;
  tls?: number;
  firstByte?: number;
  total?: number;
  /** The connection had served before. */
  kept: boolean;
}

/** Watches one request, and hears of the phases of its connection. `phases` is filled in as the exchange goes on. */
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
