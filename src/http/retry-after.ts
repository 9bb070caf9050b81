/** One entry of a RateLimit header: `"resolvers";r=2998;t=172`. */
export interface RateLimit {
  /** The name of the quota; undefined if the server gives none. */
  readonly bucket: string | undefined;
  readonly remaining: number;
  /** Milliseconds until the bucket is full again. */
  readonly resetMs: number;
}

/**
 * The entry that applies: that of `bucket`; else the exhausted one with the longest wait; else the first. Malformed
 * entries are ignored; undefined if none is left.
 */
export function parseRateLimit(header: string | undefined, bucket?: string): RateLimit | undefined {
  if (header === undefined || header.length > 1000) return undefined;
  const limits = header.split(',').flatMap((entry) => parseEntry(entry) ?? []);
  const named = limits.find((limit) => bucket !== undefined && limit.bucket === bucket);
  if (named !== undefined) return named;
  const exhausted = limits.filter(({ remaining }) => remaining === 0).sort((a, b) => b.resetMs - a.resetMs);
  return exhausted[0] ?? limits[0];
}

function parseEntry(entry: string): RateLimit | undefined {
  const remaining = /(?:^|;)\s*r=(\d{1,12})\s*(?:;|$)/.exec(entry);
  const reset = /(?:^|;)\s*t=(\d{1,9})\s*(?:;|$)/.exec(entry);
  if (remaining === null || reset === null) return undefined;
  const bucket = /^\s*"([^"]{1,100})"/.exec(entry);
  return { bucket: bucket?.[1], remaining: Number(remaining[1]), resetMs: Number(reset[1]) * 1000 };
}

/** A day of the week, then a day, month, year and time in one of the three orders of RFC 9110 5.6.7. */
const HTTP_DATE =
  /^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? +(?:\d\d[ -][a-z]{3}[ -]\d{2,4} +[\d:]{8} GMT|[a-z]{3} +\d\d? +[\d:]{8} +\d{4})$/i;

/** Milliseconds from a Retry-After header: seconds, or an HTTP date (RFC 9110 10.2.3). Never negative. */
export function parseRetryAfter(header: string | undefined, nowMs: number): number | undefined {
  const text = header?.trim() ?? '';
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const date = parseHttpDate(text);
  return date === undefined ? undefined : Math.max(0, date - nowMs);
}

/** Milliseconds since 1970; undefined for anything but an HTTP date. */
function parseHttpDate(header: string | undefined): number | undefined {
  const text = header?.trim() ?? '';
  // Date.parse alone would read "-1", "2" or "maybe 5" as a year.
  if (!HTTP_DATE.test(text)) return undefined;
  // The asctime form names no zone: it is UTC, not local time.
  const date = Date.parse(/GMT$/i.test(text) ? text : `${text} GMT`);
  return Number.isNaN(date) ? undefined : date;
}

/**
 * How long a refused request should wait, in milliseconds: until an exhausted RateLimit bucket is full again (plus a
 * second, because its seconds are rounded), else Retry-After; undefined leaves it to our own back-off. A 429 while the
 * bucket is not empty comes from another quota, so its `t` does not apply.
 */
export function serverDelay(
  headers: { readonly [name: string]: string | string[] | undefined },
  nowMs: number,
): number | undefined {
  const limit = parseRateLimit([headers['ratelimit'] ?? []].flat().join(',') || undefined);
  if (limit !== undefined && limit.remaining === 0) return limit.resetMs + 1000;
  // Compare a date with the server's own clock: ours may be an hour off.
  return parseRetryAfter(single(headers['retry-after']), parseHttpDate(single(headers['date'])) ?? nowMs);
}

function single(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}
