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

/** Watches one request. What it returns is filled in as the exchange goes on. */
export function watchPhases(outgoing: ClientRequest, clock: Clock): Phases {
  const started = clock.monotonic();
  const phases: Phases = { kept: false };
  const since = () => clock.monotonic() - started;
  outgoing.once('socket', (socket) => {
    phases.kept = outgoing.reusedSocket;
    if (phases.kept) return;
    socket.once('lookup', () => {
      phases.lookup = since();
    });
    socket.once('connect', () => {
      phases.connect = since();
    });
    socket.once('secureConnect', () => {
      phases.tls = since();
    });
  });
  outgoing.once('response', () => {
    phases.firstByte = since();
  });
  outgoing.once('close', () => {
    phases.total = since();
  });
  return phases;
}
