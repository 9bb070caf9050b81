import dns from 'node:dns';
import { isIP } from 'node:net';
import type { Clock } from '../system/clock.ts';

/** One address of a host. */
export interface Address {
  readonly address: string;
  readonly family: number;
}

/** All addresses of a host, in the order in which the system would use them. */
export type Lookup = (host: string) => Promise<readonly Address[]>;

/** An answer is used for so long before the name is looked up again. */
const FRESH_MS = 60_000;

interface Host {
  addresses: readonly Address[];
  lookedUpAt: number;
  /** When each address failed last, as a count of failures: higher is later. */
  readonly failed: Map<string, number>;
  /** The family that connected while the other one, begun earlier, had not. */
  family: number | undefined;
}

/**
 * What is known of the addresses of every host, for one run. Looks a name up once for all connections:
 * the threads of the system that do it are few, and the disk needs them too.
 */
export class AddressBook {
  readonly #clock: Clock;
  readonly #lookup: Lookup;
  readonly #hosts = new Map<string, Host>();
  readonly #asking = new Map<string, Promise<Host>>();
  #failures = 0;

  constructor(clock: Clock, lookup: Lookup = systemLookup) {
    this.#clock = clock;
    this.#lookup = lookup;
  }

  /**
   * The addresses of a host in the order to try them: families take turns (RFC 8305 4), those that failed come
   * last, the longest ago first. Rejects with the error of the look-up. An address is its own only address.
   */
  async of(host: string): Promise<readonly Address[]> {
    const literal = isIP(host);
    if (literal !== 0) return [{ address: host, family: literal }];
    const known = this.#hosts.get(host);
    if (known === undefined) return order(await this.#ask(host));
    // An old answer serves until there is a new one: a slow resolver holds nobody.
    if (this.#clock.monotonic() - known.lookedUpAt >= FRESH_MS) void this.#ask(host).catch(() => {});
    return order(known);
  }

  /** New connections prefer the other addresses of the host. */
  failed(host: string, address: string): void {
    const known = this.#hosts.get(host);
    if (known?.addresses.some((one) => one.address === address) !== true) return;
    this.#failures += 1;
    known.failed.set(address, this.#failures);
    // When none is left that is good, others may have taken their place.
    if (known.addresses.every((one) => known.failed.has(one.address)))
      known.lookedUpAt = Number.NEGATIVE_INFINITY;
  }

  /** False for an address that failed while the host has another that did not. */
  favours(host: string, address: string): boolean {
    const known = this.#hosts.get(host);
    if (known?.failed.has(address) !== true) return true;
    return known.addresses.every((one) => known.failed.has(one.address));
  }

  /** This family connects, the other is slow or dead: it comes first from now on. */
  prefers(host: string, family: number): void {
    const known = this.#hosts.get(host);
    if (known !== undefined) known.family = family;
  }

  #ask(host: string): Promise<Host> {
    const asking = this.#asking.get(host);
    if (asking !== undefined) return asking;
    const asked = this.#lookup(host)
      .then((addresses) => {
        const { failed, family } = this.#hosts.get(host) ?? { failed: new Map(), family: undefined };
        const known = { addresses, lookedUpAt: this.#clock.monotonic(), failed, family };
        this.#hosts.set(host, known);
        return known;
      })
      .finally(() => this.#asking.delete(host));
    this.#asking.set(host, asked);
    return asked;
  }
}

function order({ addresses, failed, family }: Host): readonly Address[] {
  const first = family ?? addresses[0]?.family;
  const preferred = addresses.filter((one) => one.family === first);
  const others = addresses.filter((one) => one.family !== first);
  const mixed: Address[] = [];
  for (let index = 0; index < Math.max(preferred.length, others.length); index += 1) {
    for (const one of [preferred[index], others[index]]) if (one !== undefined) mixed.push(one);
  }
  const when = ({ address }: Address) => failed.get(address) ?? 0;
  return mixed.sort((left, right) => when(left) - when(right));
}

/** The property is read at each call, as node:net does it: programs that replace the look-up are heard. */
function systemLookup(host: string): Promise<readonly Address[]> {
  return new Promise((resolve, reject) => {
    dns.lookup(host, { all: true }, (error, addresses) => {
      if (error === null) resolve(addresses);
      else reject(error);
    });
  });
}
