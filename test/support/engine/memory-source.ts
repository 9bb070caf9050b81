import type { ByteRange } from '../../../src/model/byte-range.ts';
import { FetchError } from '../../../src/model/error.ts';
import type { RemoteFile } from '../../../src/model/remote-file.ts';
import type { Revision } from '../../../src/model/repo.ts';
import type { HttpLocation } from '../../../src/source/location.ts';
import type { Source } from '../../../src/source/source.ts';
import type { Clock } from '../../../src/system/clock.ts';
import type { Addresses } from './addresses.ts';

const LOCATE_MS = 20;

/** A hub that knows nothing but addresses: each location leads to the next of its hosts. */
export class MemorySource implements Source {
  readonly kind = 'memory';
  readonly traits = { branches: false, scan: false, read: false, reconstruct: false } as const;
  /** Whether locations say when they end. */
  tellsExpiry = true;
  /** So many locations are refused (503). */
  failures = 0;
  /** The hub sends on to the hosts, and locations name the hub. */
  redirects = false;
  readonly hosts: readonly string[];
  readonly #addresses: Addresses;
  readonly #clock: Clock;
  readonly #located: { readonly path: string; readonly at: number; readonly bound: boolean }[] = [];

  constructor(hosts: readonly string[], addresses: Addresses, clock: Clock) {
    this.hosts = hosts;
    this.#addresses = addresses;
    this.#clock = clock;
  }

  /** How often it was asked where a file is, for any range of it. */
  locates(path: string): number {
    return this.#located.filter((one) => one.path === path && !one.bound).length;
  }

  async locate(
    _revision: Revision,
    { path }: RemoteFile,
    signal: AbortSignal,
    range?: ByteRange,
  ): Promise<HttpLocation> {
    this.#located.push({ path, at: this.#clock.now(), bound: range !== undefined });
    await this.#clock.sleep(LOCATE_MS, signal);
    if (this.failures > 0) {
      this.failures -= 1;
      throw new FetchError('NETWORK', 'the hub answered 503', { status: 503, retryable: true });
    }
    const found = {
      kind: 'http',
      authorization: undefined,
      ranges: range === undefined ? 'any' : 'exact',
    } as const;
    if (this.redirects && range === undefined)
      return { ...found, url: `https://hub/${path}`, expiresAt: undefined };
    const ends = this.tellsExpiry && Number.isFinite(this.#addresses.lifetimeMs);
    const expiresAt = ends ? this.#clock.now() + this.#addresses.lifetimeMs : undefined;
    const url = this.address(path, range);
    return range === undefined ? { ...found, url, expiresAt } : { ...found, url, expiresAt, range };
  }

  /** Where the hub now redirects requests for this file. */
  address(path: string, range?: ByteRange): string {
    const host = this.hosts[this.#located.length % this.hosts.length]!;
    return this.#addresses.issue(host, path, range);
  }

  async resolve(): Promise<Revision> {
    throw new FetchError('BUG', 'the engine does not resolve');
  }

  // biome-ignore lint/correctness/useYield: nothing is listed here.
  async *list(): AsyncIterable<RemoteFile> {
    throw new FetchError('BUG', 'the engine does not list');
  }
}
