import type { RequestKind } from './wire/exchange.ts';

/** Requests per window; without a number of its own a bucket counts down but never refuses. */
export interface Quotas {
  readonly api?: number;
  readonly resolvers?: number;
  readonly pages?: number;
  readonly windowSeconds?: number;
}

export type Bucket = 'api' | 'resolvers' | 'pages';

const ANONYMOUS: Record<Bucket, number> = { api: 500, resolvers: 3000, pages: 100 };

export function bucketOf(kind: RequestKind): Bucket {
  if (kind === 'resolve' || kind === 'resolve-cache') return 'resolvers';
  return kind === 'raw' || kind === 'unknown' ? 'pages' : 'api';
}

/** Fixed windows, as protocol section 3.3 describes them. */
export class RateLimiter {
  readonly #quotas: Quotas;
  readonly #windowMs: number;
  #windowEnds = 0;
  readonly #used = new Map<Bucket, number>();

  constructor(quotas: Quotas = {}) {
    this.#quotas = quotas;
    this.#windowMs = (quotas.windowSeconds ?? 300) * 1000;
  }

  /** Counts one request; the headers go on its answer, whatever that is. */
  count(bucket: Bucket): { readonly refused: boolean; readonly headers: Record<string, string> } {
    const now = Date.now();
    if (now >= this.#windowEnds) {
      this.#windowEnds = now + this.#windowMs;
      this.#used.clear();
    }
    const used = (this.#used.get(bucket) ?? 0) + 1;
    this.#used.set(bucket, used);
    const strict = this.#quotas[bucket];
    const quota = strict ?? ANONYMOUS[bucket];
    const remaining = Math.max(quota - used, strict === undefined ? 1 : 0);
    const seconds = Math.ceil((this.#windowEnds - now) / 1000);
    return {
      refused: strict !== undefined && used > strict,
      headers: {
        RateLimit: `"${bucket}";r=${remaining};t=${seconds}`,
        'RateLimit-Policy': `"fixed window";"${bucket}";q=${quota};w=${this.#windowMs / 1000}`,
      },
    };
  }

  quota(bucket: Bucket): number {
    return this.#quotas[bucket] ?? ANONYMOUS[bucket];
  }
}
