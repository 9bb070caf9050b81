import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import type { Address } from '../../src/http/address-book.ts';
import type { ManualClock } from './manual-clock.ts';

/** What becomes of an attempt to connect to an address. */
export type Fate = { readonly afterMs: number; readonly error?: string } | 'silence';

/** Attempts that end as a test says, in its own time. */
export class FakeDialling {
  /** Addresses in the order in which attempts began, and when. */
  readonly begun: [string, number][] = [];
  readonly destroyed: string[] = [];
  readonly looked: string[] = [];
  readonly #clock: ManualClock;
  readonly fates: Record<string, Fate>;

  constructor(clock: ManualClock, fates: Record<string, Fate>) {
    this.#clock = clock;
    this.fates = fates;
  }

  lookup = async (host: string): Promise<readonly Address[]> => {
    this.looked.push(host);
    return Object.keys(this.fates).map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
  };

  connect = ({ address }: Address): Socket => {
    this.begun.push([address, this.#clock.monotonic()]);
    const socket = Object.assign(new EventEmitter(), {
      remoteAddress: address,
      destroyed: false,
      destroy: () => {
        if (socket.destroyed) return;
        socket.destroyed = true;
        this.destroyed.push(address);
        socket.emit('close');
      },
    });
    const fate = this.fates[address] ?? 'silence';
    if (fate !== 'silence') {
      this.#clock.after(fate.afterMs, () => {
        if (socket.destroyed) return;
        if (fate.error === undefined) socket.emit('connect');
        else socket.emit('error', Object.assign(new Error(fate.error), { code: fate.error }));
      });
    }
    return socket as unknown as Socket;
  };
}
