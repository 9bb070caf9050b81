import type { ByteRange } from '../../../src/model/byte-range.ts';
import type { Clock } from '../../../src/system/clock.ts';

interface Address {
  readonly host: string;
  readonly path: string;
  /** The only range that it is good for. */
  readonly range: ByteRange | undefined;
  readonly diesAt: number;
}

/** Signed addresses: they are good for one file on one host, for a while. */
export class Addresses {
  /** Unix time in milliseconds is told to the client, if `tells`. */
  lifetimeMs: number = Number.POSITIVE_INFINITY;
  readonly #clock: Clock;
  readonly #issued = new Map<string, Address>();
  #deadUpTo = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  issue(host: string, path: string, range: ByteRange | undefined): string {
    const url = `https://${host}/${path}?signature=${this.#issued.size + 1}`;
    this.#issued.set(url, { host, path, range, diesAt: this.#clock.now() + this.lifetimeMs });
    return url;
  }

  /** All that were issued until now are refused from now on. */
  dieNow(): void {
    this.#deadUpTo = this.#issued.size;
  }

  /** What the address is good for; undefined if it is dead. */
  find(url: string): Address | undefined {
    const address = this.#issued.get(url);
    const number = Number(new URL(url).searchParams.get('signature'));
    if (address === undefined || number <= this.#deadUpTo) return undefined;
    return this.#clock.now() >= address.diesAt ? undefined : address;
  }
}
