import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { authFailedReply, expiredReply } from '../answers/cdn-error.ts';
import { bytes, type Content, rotated, wholeContent } from '../content/content.ts';
import { bucketOf } from '../rate-limit.ts';
import type { CutPoint, Exchange, Transmission } from '../wire/exchange.ts';
import { partReply } from '../wire/range.ts';
import {
  bodyReply,
  emptyReply,
  header,
  htmlReply,
  type Reply,
  textReply,
  withHeaders,
  withoutHeaders,
} from '../wire/reply.ts';
import { rateLimited } from './pages.ts';

const pack = promisify(gzip);
/** As many are kept as a test has big files. */
const PACKED_KEPT = 4;
const packed = new Map<string, Promise<Content>>();

/**
 * Packed once, and beside the thread: neither the client of this answer nor of any other shall see a server that is
 * silent because the machine is busy with packing.
 */
function packedPart({ content, start, end }: Reply): Promise<Content> {
  const key = `${content.key} ${start}-${end}`;
  const found = packed.get(key) ?? packPart(content, start, end);
  packed.delete(key);
  packed.set(key, found);
  for (const [oldest] of packed) if (packed.size > PACKED_KEPT) packed.delete(oldest);
  return found;
}

async function packPart(content: Content, start: number, end: number): Promise<Content> {
  const pieces: Buffer[] = [];
  for await (const piece of content.read(start, end)) pieces.push(piece);
  return bytes(await pack(Buffer.concat(pieces), { level: 1 }));
}

/** Everything that can go wrong with an answer. `at` counts bytes of the body; sizes are bytes. */
export type Effect =
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly headers?: Record<string, string>;
      readonly body?: string;
    }
  | { readonly kind: 'rate-limited'; readonly seconds: number; readonly tell: RateLimitStyle }
  | { readonly kind: 'delay'; readonly ms: number }
  | { readonly kind: 'reset'; readonly at: CutPoint }
  | { readonly kind: 'truncate'; readonly at: number }
  | { readonly kind: 'stall'; readonly at: CutPoint }
  | { readonly kind: 'slow'; readonly bytesPerSecond: number }
  /** The byte at that offset of the content arrives with other bits: all inverted unless `mask` says which. */
  | { readonly kind: 'flip'; readonly offset: number; readonly mask?: number }
  /** Another body of the same or of another length, with a head that fits it. */
  | { readonly kind: 'rewrite'; readonly change: (body: Buffer) => Buffer }
  | { readonly kind: 'ignore-range' }
  /** A part of the file under status 200, its head otherwise right: ModelScope (field facts 7). */
  | { readonly kind: 'part-as-200' }
  /** 416 with the length of what is answered here: of a redirect's text on the hub (field facts 1.8). */
  | { readonly kind: 'unsatisfiable' }
  | { readonly kind: 'content-range'; readonly shift?: number; readonly total?: number }
  | { readonly kind: 'shifted-bytes'; readonly shift: number }
  | { readonly kind: 'short-range'; readonly bytes: number }
  | { readonly kind: 'long-range'; readonly bytes: number }
  | { readonly kind: 'chunked' }
  | { readonly kind: 'gzip' }
  | { readonly kind: 'etag'; readonly value: string }
  | { readonly kind: 'headers'; readonly set?: Record<string, string>; readonly drop?: readonly string[] }
  | { readonly kind: 'redirect'; readonly location: string; readonly status?: number }
  | { readonly kind: 'redirect-loop' }
  | { readonly kind: 'redirect-nowhere' }
  | { readonly kind: 'json'; readonly shape: JsonShape }
  | { readonly kind: 'repeated-cursor' }
  | { readonly kind: 'expired' }
  /** The CDN's refusal of a signature, in its words: `SignatureError: invalid key pair id` (field facts 2.9). */
  | { readonly kind: 'auth-failed'; readonly why: string }
  /** An unannounced end hits the next request on that connection. */
  | { readonly kind: 'close-connection'; readonly announced?: boolean }
  /** A 1xx answer comes before the real one. */
  | { readonly kind: 'interim' }
  /** The server is gone for so long, with all its connections: not even an answer. `Infinity` is for ever. */
  | { readonly kind: 'vanish'; readonly ms: number }
  /** A push, or the end of a branch, at the moment of this request; the answer is still the old one. */
  | { readonly kind: 'branch'; readonly branch: string; readonly change: 'moves' | 'vanishes' }
  /** A listing that lies about one file. */
  | {
      readonly kind: 'listing';
      readonly path: string;
      readonly sizeBy?: number;
      readonly digest?: 'another' | 'none';
    }
  /** Any bytes in place of an HTTP answer, then a clean end. */
  | { readonly kind: 'raw'; readonly text: string };

/**
 * How a 429 says how long to wait. The Hub itself says it in `RateLimit`; others use `Retry-After`; a page is what the
 * Hub sends on some routes, and what is left of it behind a gateway that strips headers (field facts 4).
 */
export type RateLimitStyle =
  | 'retry-after-seconds'
  | 'retry-after-date'
  | 'rate-limit-header'
  | 'nothing'
  | 'page';

export type JsonShape = 'malformed' | 'truncated' | 'html' | 'empty' | 'wrong-type';

type Change<K extends Effect['kind']> = (
  transmission: Transmission,
  effect: Extract<Effect, { kind: K }>,
  exchange: Exchange,
) => Transmission | Promise<Transmission>;

const EFFECTS: { readonly [K in Effect['kind']]: Change<K> } = {
  status: (was, { status, headers, body }) => ({
    ...was,
    reply: textReply(status, body ?? `${status}`, headers),
  }),
  'rate-limited': (was, { seconds, tell }, { kind }) => ({
    ...was,
    reply: rateLimited(seconds, tell, bucketOf(kind)),
  }),
  delay: (was, { ms }) => ({ ...was, delayMs: was.delayMs + ms }),
  reset: (was, { at }) => ({ ...was, cut: { at, ending: 'reset' } }),
  truncate: (was, { at }) => ({ ...was, cut: { at, ending: 'finish' } }),
  stall: (was, { at }) => ({ ...was, cut: { at, ending: 'stall' } }),
  slow: (was, { bytesPerSecond }) => ({ ...was, bytesPerSecond }),
  flip: (was, { offset, mask = 0xff }) => ({ ...was, flips: [...was.flips, { offset, mask }] }),
  rewrite: async (was, { change }) => ({ ...was, reply: await rewritten(was.reply, change) }),
  'ignore-range': (was) => ({
    ...was,
    reply: bodyReply(
      200,
      was.reply.content,
      withoutHeaders(was.reply, 'Content-Range', 'Content-Length').headers,
    ),
  }),
  'part-as-200': (was) => (was.reply.status === 206 ? { ...was, reply: { ...was.reply, status: 200 } } : was),
  unsatisfiable: (was) => ({
    ...was,
    reply: textReply(416, '', { 'Content-Range': `bytes */${was.reply.content.size}` }),
  }),
  'content-range': (was, { shift = 0, total }) => {
    const { start, end, content } = was.reply;
    const lie = `bytes ${start + shift}-${end - 1 + shift}/${total ?? content.size}`;
    return { ...was, reply: withHeaders(was.reply, { 'Content-Range': lie }) };
  },
  // The head is right and the bytes come from elsewhere: only a hash can tell.
  'shifted-bytes': (was, { shift }) => ({
    ...was,
    reply: { ...was.reply, content: rotated(was.reply.content, shift) },
  }),
  'short-range': (was, effect) => rangeOfLength(was, effect.bytes),
  'long-range': (was, effect) => rangeOfLength(was, was.reply.end - was.reply.start + effect.bytes),
  chunked: (was) => ({ ...was, reply: withoutHeaders(was.reply, 'Content-Length') }),
  gzip: async (was) => {
    const content = await packedPart(was.reply);
    const headers = withoutHeaders(was.reply, 'Content-Length').headers;
    return {
      ...was,
      reply: {
        status: was.reply.status,
        headers: { ...headers, 'Content-Encoding': 'gzip' },
        content,
        start: 0,
        end: content.size,
      },
    };
  },
  etag: (was, { value }) => {
    const names = ['ETag', 'X-Linked-Etag'].filter((name) => header(was.reply, name) !== undefined);
    return { ...was, reply: withHeaders(was.reply, Object.fromEntries(names.map((name) => [name, value]))) };
  },
  headers: (was, { set = {}, drop = [] }) => ({
    ...was,
    reply: withHeaders(withoutHeaders(was.reply, ...drop), set),
  }),
  redirect: (was, { location, status = 302 }) => ({
    ...was,
    reply: textReply(status, `Redirecting to ${location}`, { Location: location }),
  }),
  'redirect-loop': (was, _effect, { target }) => ({
    ...was,
    reply: textReply(307, `Temporary Redirect. Redirecting to ${target}`, { Location: target }),
  }),
  'redirect-nowhere': (was) => ({ ...was, reply: textReply(302, 'Found') }),
  json: async (was, { shape }) => ({ ...was, reply: await brokenJson(was, shape) }),
  'repeated-cursor': (was, _effect, { request, target }) => {
    const next = `<http://${request.headers.host}${target}>; rel="next"`;
    return { ...was, reply: withHeaders(was.reply, { Link: next }) };
  },
  expired: (was) => ({ ...was, reply: expiredReply() }),
  'auth-failed': (was, { why }) => ({ ...was, reply: authFailedReply(why) }),
  'close-connection': (was, { announced = true }) => ({
    ...was,
    closeAfter: announced ? 'announced' : 'silently',
  }),
  interim: (was) => ({ ...was, interim: true }),
  vanish: (was, { ms }, exchange) => {
    exchange.vanish(ms);
    return was;
  },
  branch: (was, { branch, change }, exchange) => {
    exchange.changeBranch(branch, change);
    return was;
  },
  listing: async (was, effect) => ({ ...was, reply: await lyingListing(was, effect) }),
  raw: (was, { text }) => ({ ...was, raw: text }),
};

export async function applyEffect<K extends Effect['kind']>(
  effect: Extract<Effect, { kind: K }>,
  transmission: Transmission,
  exchange: Exchange,
): Promise<Transmission> {
  const change = EFFECTS[effect.kind as K];
  return change(transmission, effect, exchange);
}

/** The same place in the file, but another number of bytes, with a head that says so truthfully. */
function rangeOfLength(was: Transmission, length: number): Transmission {
  const { content, start, headers } = was.reply;
  const end = Math.max(Math.min(start + length, content.size), start + 1);
  return { ...was, reply: partReply(content, start, end, headers) };
}

async function rewritten(reply: Reply, change: (body: Buffer) => Buffer): Promise<Reply> {
  const pieces: Buffer[] = [];
  for await (const piece of reply.content.read(reply.start, reply.end)) pieces.push(piece);
  const content = bytes(change(Buffer.concat(pieces)));
  return {
    ...withHeaders(reply, { 'Content-Length': String(content.size) }),
    content,
    start: 0,
    end: content.size,
  };
}

async function brokenJson(was: Transmission, shape: JsonShape): Promise<Transmission['reply']> {
  const { reply } = was;
  const headers = withoutHeaders(reply, 'Content-Length', 'Content-Encoding').headers;
  if (shape === 'html') return htmlReply(200, '<!DOCTYPE html><title>Sign in to the network</title>');
  if (shape === 'empty') return { ...emptyReply(200, { ...headers, 'Content-Length': '0' }) };
  if (shape === 'wrong-type') return bodyReply(200, bytes('{"tree":17}'), headers);
  const whole = (await wholeContent(reply.content)).toString('utf8');
  const broken = shape === 'truncated' ? whole.slice(0, Math.floor(whole.length / 2)) : `${whole},]`;
  return bodyReply(200, bytes(broken), headers);
}

async function lyingListing(
  { reply }: Transmission,
  { path, sizeBy = 0, digest }: Extract<Effect, { kind: 'listing' }>,
): Promise<Transmission['reply']> {
  const entries = JSON.parse((await wholeContent(reply.content)).toString('utf8')) as unknown[];
  const change = (oid: unknown): unknown =>
    digest === undefined ? oid : digest === 'none' ? undefined : `${oid}`.replace(/^.{8}/, 'deadbeef');
  const lied = entries.map((entry) => {
    const was = entry as { path: string; size: number; oid: unknown; lfs?: { oid: unknown; size: number } };
    if (was.path !== path) return was;
    const lfs = was.lfs && { ...was.lfs, oid: change(was.lfs.oid), size: was.lfs.size + sizeBy };
    return { ...was, size: was.size + sizeBy, ...(lfs ? { lfs } : { oid: change(was.oid) }) };
  });
  return bodyReply(200, bytes(JSON.stringify(lied)), reply.headers);
}

/** For tests that want to be sure that every effect is tried. */
export const EFFECT_KINDS: readonly Effect['kind'][] = Object.keys(EFFECTS) as Effect['kind'][];
