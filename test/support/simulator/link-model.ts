import { seeded } from '../engine/seeded.ts';

/** Bytes per millisecond. */
export const GIGABIT = 125_000;
/** What one connection to the Hub's storage brings, in bytes per millisecond: 28 MiB/s. */
export const HUB_CONNECTION = 29_360;
/** What a Linux server sends before the first acknowledgement. */
const FIRST_WINDOW_BYTES = 14_600;

/** A link with its servers. Rates are bytes per millisecond, times milliseconds. */
export interface LinkModel {
  readonly name: string;
  /** Of all connections together. Infinite if left out. */
  readonly rate?: number;
  /** Of all connections together, where it depends on their number: a busy machine, a server that collapses. */
  readonly rateOf?: (delivering: number) => number;
  /** Of one connection. */
  readonly connectionRate: number;
  /** From a request to its first byte, on a new connection and on one that has served before. */
  readonly waits: { readonly fresh: number; readonly warm: number };
  /** The hub, which answers before. */
  readonly hubWaitMs: number;
  /** A far server: one round trip, and the largest window. A window grows with what is acknowledged. */
  readonly slowStart?: { readonly roundTripMs: number; readonly windowBytes: number };
  /** Waits vary by half, and rates from 0.55 to 1.8 times, with every request. */
  readonly jitter?: boolean;
  /** So many requests wait for each other on the server: their waits grow with the number of connections. */
  readonly queueMs?: (connections: number) => number;
}

/** The Hub's storage behind 10 Gbit/s. */
export function hubLink(waits: LinkModel['waits'], hubWaitMs: number): LinkModel {
  return { name: 'the Hub', rate: 1_250_000, connectionRate: HUB_CONNECTION, waits, hubWaitMs };
}

/** What one connection of a link does with its requests. */
export class SimulatedConnection {
  readonly #link: LinkModel;
  readonly #random: () => number;
  #window = FIRST_WINDOW_BYTES;
  #rate = 0;
  #served = 0;

  constructor(link: LinkModel, random: () => number) {
    this.#link = link;
    this.#random = random;
  }

  /** A request is sent while so many others are under way. Returns when its first byte comes. */
  ask(now: number, others: number): number {
    const { waits, connectionRate, jitter = false, queueMs } = this.#link;
    this.#rate = connectionRate * (jitter ? 0.55 * (1.8 / 0.55) ** this.#random() : 1);
    const wait = this.#served === 0 ? waits.fresh : waits.warm;
    this.#served += 1;
    return now + wait * (jitter ? 0.5 + this.#random() : 1) + (queueMs?.(others) ?? 0);
  }

  /** The most that it can bring per millisecond now. */
  get most(): number {
    const { slowStart } = this.#link;
    return slowStart === undefined ? this.#rate : Math.min(this.#rate, this.#window / slowStart.roundTripMs);
  }

  brought(bytes: number): void {
    const { slowStart } = this.#link;
    if (slowStart !== undefined) this.#window = Math.min(slowStart.windowBytes, this.#window + bytes);
  }
}

/** Connections of one link, and what each of them gets. */
export class SimulatedNetwork {
  readonly #link: LinkModel;
  readonly #random: () => number;
  readonly #idle: SimulatedConnection[] = [];

  constructor(link: LinkModel, seed: number) {
    this.#link = link;
    this.#random = seeded(seed);
  }

  /** One that is open, or a new one. */
  take(): SimulatedConnection {
    return this.#idle.pop() ?? new SimulatedConnection(this.#link, this.#random);
  }

  giveBack(connection: SimulatedConnection): void {
    this.#idle.push(connection);
  }

  /** Shares the link fairly: none gets more than it can bring, what it leaves goes to the others. */
  share(delivering: readonly { readonly most: number }[]): number[] {
    const { rate = Number.POSITIVE_INFINITY, rateOf } = this.#link;
    let left = Math.min(rate, rateOf?.(delivering.length) ?? Number.POSITIVE_INFINITY);
    const shares = delivering.map(({ most }) => most);
    const wanted = shares.reduce((sum, most) => sum + most, 0);
    if (wanted <= left) return shares;
    const order = shares.map((_, index) => index).sort((a, b) => shares[a]! - shares[b]!);
    order.forEach((index, place) => {
      shares[index] = Math.min(shares[index]!, left / (order.length - place));
      left -= shares[index]!;
    });
    return shares;
  }
}
