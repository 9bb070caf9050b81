import dns from 'node:dns';
import { isIP } from 'node:net';
import type { Clock } from '../system/clock.ts';

/** One address of a host. */
export interface Address {
  readonly address: string;
  readonly family: number;
}

/** Looks up all addresses of a host, in the system's order. */
export type Lookup = (host: string) => Promise<readonly Address[]>;

/** How long the addresses of a host are used before its name is looked up again. */
const FRESH_MS = 60_000;

interface Host {
  addresses: readonly Address[];
  lookedUpAt: number;
  /** By address: the number of its last failure, counted over all hosts. A higher number is a later failure. */
  readonly failed: Map<string, number>;
  /** The family that connected first although the other was tried earlier. */
  family: number | undefined;
}

/**
 * The addresses of every host and their failures, for one run. A name is looked up once for all connections: look-ups
 * run on the few threads of libuv, which file system calls need too.
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
   * The addresses of a host in the order to try them: families alternate (RFC 8305 4), addresses that failed come last,
   * the oldest failure first. Rejects with the error of the look-up. For an IP address, only that address.
   */
  async of(host: string): Promise<readonly Address[]> {
    const literal = isIP(host);
    if (literal !== 0) return [{ address: host, family: literal }];
    const known = this.#hosts.get(host);
    if (known === undefined) return order(await this.#ask(host));
    // Use the old addresses while the new look-up runs: a slow resolver must not delay connections.
    if (this.#clock.monotonic() - known.lookedUpAt >= FRESH_MS) void this.#ask(host).catch(() => {});
    return order(known);
  }

  /** Records that an address failed: new connections prefer the other addresses of the host. */
  failed(host: string, address: string): void {
    const known = this.#hosts.get(host);
    if (known?.addresses.some((one) => one.address === address) !== true) return;
    this.#failures += 1;
    known.failed.set(address, this.#failures);
    // All have failed: look the name up again, the host may have new addresses.
    if (known.addresses.every((one) => known.failed.has(one.address)))
      known.lookedUpAt = Number.NEGATIVE_INFINITY;
  }

  /** False for an address that failed while the host has another that did not. */
  favours(host: string, address: string): boolean {
    const known = this.#hosts.get(host);
    if (known?.failed.has(address) !== true) return true;
    return known.addresses.every((one) => known.failed.has(one.address));
  }

  /** Records that this family connects while the other is slow or dead: it comes first from now on. */
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

/** Reads `dns.lookup` at each call, as node:net does, so that a program can replace it. */
function systemLookup(host: string): Promise<readonly Address[]> {
  return new Promise((resolve, reject) => {
    dns.lookup(host, { all: true }, (error, addresses) => {
      if (error === null) resolve(addresses);
      else reject(error);
    });
  });
}
