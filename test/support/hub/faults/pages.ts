import { overQuota } from '../answers/hub-error.ts';
import type { Bucket } from '../rate-limit.ts';
import { htmlReply, type Reply, withHeaders } from '../wire/reply.ts';
import type { Effect, RateLimitStyle } from './effect.ts';

export function rateLimited(seconds: number, tell: RateLimitStyle, bucket: Bucket): Reply {
  if (tell === 'page') return htmlReply(429, PAGE_OF_429);
  const headers: Record<Exclude<RateLimitStyle, 'page'>, Record<string, string>> = {
    'retry-after-seconds': { 'Retry-After': String(seconds) },
    'retry-after-date': { 'Retry-After': new Date(Date.now() + seconds * 1000).toUTCString() },
    'rate-limit-header': { RateLimit: `"${bucket}";r=0;t=${seconds}` },
    nothing: {},
  };
  return withHeaders(overQuota(1000), headers[tell]);
}

function page(title: string, text: string, size: number): string {
  const start = `<!DOCTYPE html><html><head><title>${title}</title><style>`;
  const end = `</style></head><body><h1>${title}</h1><p>${text}</p></body></html>`;
  return start + '.a{color:#123456}'.repeat(size).slice(0, size - start.length - end.length) + end;
}

/** As long as the one that was measured. */
const PAGE_OF_429 = page('Rate Limited', 'We had to rate limit you. Please try again later.', 52_000);

/** The page of a company's filter: no header of a hub is on it (field.md F15). */
export const BLOCK_PAGE: Effect = {
  kind: 'status',
  status: 403,
  headers: { 'Content-Type': 'text/html; charset=utf-8', Server: 'filter' },
  body: page('Access Denied', 'This site is blocked by the policy of your organisation.', 4000),
};
