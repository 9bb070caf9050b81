import type { ClientRequest } from 'node:http';
import type { Clock } from '../../system/clock.ts';

/** End of each phase of one exchange, in milliseconds since its request; undefined for skipped phases. */
export interface ExchangeTiming {
  lookup?: number;
  connect?: number;
  tls?: number;
  firstByte?: number;
  total?: number;
  /** The connection had served an earlier request. */
  kept: boolean;
}

/** Observes one request. `timing` gets each phase when it ends; call `enter` when a phase begins. */
export function observeTiming(
  outgoing: ClientRequest,
  clock: Clock,
): { readonly timing: ExchangeTiming; readonly enter: (phase: string) => void } {
  const started = clock.monotonic();
  const timing: ExchangeTiming = { kept: false };
  const since = () => clock.monotonic() - started;
  let secures = false;
  const enter = (phase: string) => {
    if (phase === 'tcp') timing.lookup ??= since();
    else if (phase === 'tls') {
      secures = true;
      timing.connect ??= since();
    } else if (phase === 'head' && !outgoing.reusedSocket) {
      if (secures) timing.tls ??= since();
      else timing.connect ??= since();
    }
  };
  outgoing.once('socket', () => {
    timing.kept = outgoing.reusedSocket;
  });
  outgoing.once('response', () => {
    timing.firstByte = since();
  });
  outgoing.once('close', () => {
    timing.total = since();
  });
  return { timing, enter };
}
