import type { RangeSupport } from '../model/byte-range.ts';
import type { RefusalKind } from '../model/error.ts';

const ORDER: readonly RangeSupport[] = ['any', 'exact', 'none'];

/** Which ranges each host supports, learned from its answers in this run. A host is an origin: scheme, name, port. */
export class HostRanges {
  readonly #support = new Map<string, RangeSupport>();
  readonly #proven = new Set<string>();

  /** Which ranges to request from a host; `any` until its answers show otherwise. */
  of(origin: string): RangeSupport {
    return this.#support.get(origin) ?? 'any';
  }

  /** Records that a request with these ranges brought bytes. */
  worked(origin: string, used: RangeSupport): void {
    if (used !== 'none') this.#proven.add(origin);
  }

  /**
   * Records the refusal of a request with these ranges. Returns true if the same bytes should be requested at once with
   * other ranges: see `of`.
   */
  refused(origin: string, refusal: RefusalKind | undefined, used: RangeSupport): boolean {
    if (used === 'none') {
      // The host refuses requests without ranges too: the refusal says nothing about ranges.
      if (refusal !== undefined) this.#support.delete(origin);
      return false;
    }
    const next = this.#next(origin, refusal, used);
    if (next === undefined) return false;
    // Several connections may report the same refusal: never go back to a wider support.
    if (ORDER.indexOf(next) > ORDER.indexOf(this.of(origin))) this.#support.set(origin, next);
    return true;
  }

  #next(origin: string, refusal: RefusalKind | undefined, used: RangeSupport): RangeSupport | undefined {
    if (refusal === 'bound') return used === 'any' ? 'exact' : 'none';
    // The host has served ranges before: this refusal has another cause.
    return refusal === 'no-ranges' && !this.#proven.has(origin) ? 'none' : undefined;
  }
}
