import type { RangeSupport } from '../model/byte-range.ts';
import type { RefusalKind } from '../model/error.ts';

const ORDER: readonly RangeSupport[] = ['any', 'exact', 'none'];

/** What answers have taught about hosts in this run. Hosts are named by origin: scheme, name and port. */
export class HostRanges {
  readonly #support = new Map<string, RangeSupport>();
  readonly #proven = new Set<string>();

  /** How to ask a host; `any` until something else was learned. */
  of(origin: string): RangeSupport {
    return this.#support.get(origin) ?? 'any';
  }

  /** Bytes came in the way of `used`. */
  worked(origin: string, used: RangeSupport): void {
    if (used !== 'none') this.#proven.add(origin);
  }

  /**
   * Learns from a refusal of a request that was made in the way of `used`. Returns true if the same bytes
   * should be asked for at once, in another way.
   */
  refused(origin: string, refusal: RefusalKind | undefined, used: RangeSupport): boolean {
    if (used === 'none') {
      // A host that refuses everything says nothing about ranges.
      if (refusal !== undefined) this.#support.delete(origin);
      return false;
    }
    const next = this.#next(origin, refusal, used);
    if (next === undefined) return false;
    // Several connections may learn the same at the same time.
    if (ORDER.indexOf(next) > ORDER.indexOf(this.of(origin))) this.#support.set(origin, next);
    return true;
  }

  #next(origin: string, refusal: RefusalKind | undefined, used: RangeSupport): RangeSupport | undefined {
    if (refusal === 'bound') return used === 'any' ? 'exact' : 'none';
    // A host that has served ranges before has some other trouble now.
    return refusal === 'no-ranges' && !this.#proven.has(origin) ? 'none' : undefined;
  }
}
