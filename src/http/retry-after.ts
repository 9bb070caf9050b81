/** One entry of a RateLimit header: `"resolvers";r=2998;t=172`. */
export interface RateLimit {
  /** The bucket that the server counts in; undefined where it does not say. */
  readonly bucket: string | undefined;
  readonly remaining: number;
  /** Milliseconds until the bucket is full again. */
  readonly resetMs: number;
}

/** Undefined where the header is absent or not understood. */
export function parseRateLimit(header: string | undefined): RateLimit | undefined {
  if (header === undefined || header.length > 1000) return undefined;
  const remaining = /(?:^|;)\s*r=(\d{1,12})(?=\s*(?:;|,|$))/.exec(header);
  const reset = /(?:^|;)\s*t=(\d{1,9})(?=\s*(?:;|,|$))/.exec(header);
  if (remaining === null || reset === null) return undefined;
  const bucket = /^\s*"([^"]{1,100})"/.exec(header);
  return { bucket: bucket?.[1], remaining: Number(remaining[1]), resetMs: Number(reset[1]) * 1000 };
}

/** Milliseconds from a Retry-After header: seconds, or an HTTP date (RFC 9110 10.2.3). Never negative. */
export function parseRetryAfter(header: string | undefined, nowMs: number): number | undefined {
  const text = header?.trim() ?? '';
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  // Only real HTTP dates: Date.parse alone would take "-1" or "2" for a year.
  if (!/^[A-Za-z]{3,9},? /.test(text)) return undefined;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}

/**
 * How long a refused request should wait, in milliseconds: an exhausted RateLimit bucket first (a second
 * more than it says, because its seconds are rounded), then Retry-After; undefined leaves it to our own
 * back-off. A 429 while the bucket is not empty comes from another quota: its `t` means nothing then.
 */
export function serverDelay(
  headers: { readonly [name: string]: string | string[] | undefined },
  nowMs: number,
): number | undefined {
  const limit = parseRateLimit(single(headers['ratelimit']));
  if (limit !== undefined && limit.remaining === 0) return limit.resetMs + 1000;
  return parseRetryAfter(single(headers['retry-after']), nowMs);
}

function single(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}
