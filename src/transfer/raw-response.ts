/** The head of an HTTP/1.1 answer, as far as the strict transport needs it. Names are lower case. */
export interface RawHead {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
}

/** What a parser made of the bytes so far. `bodyStart` is the offset in the last chunk where the body begins. */
export type HeadProgress =
  | { readonly kind: 'more' }
  | { readonly kind: 'head'; readonly head: RawHead; readonly bodyStart: number }
  /** Not the plain answer that this transport takes. Another transport may cope. */
  | { readonly kind: 'odd'; readonly why: string };

const MAX_HEAD_BYTES = 32 * 1024;
const MAX_HEADERS = 200;
const MORE: HeadProgress = { kind: 'more' };

/**
 * Reads the head of one answer from chunks of any size. Strict: what RFC 9112 allows only for old or odd
 * servers (bare line feeds, folded lines, spaces before the colon, repeated lengths) is `odd`. Holds at
 * most 32 KiB; every byte is looked at once or twice.
 */
export class RawHeadParser {
  #held: Buffer = Buffer.alloc(0);

  push(chunk: Buffer): HeadProgress {
    const before = this.#held.length;
    const joined =
      before === 0 ? chunk : Buffer.concat([this.#held, chunk.subarray(0, MAX_HEAD_BYTES - before)]);
    // The end may straddle two chunks: look again at the last three bytes of what was held.
    const end = joined.subarray(0, MAX_HEAD_BYTES).indexOf('\r\n\r\n', Math.max(0, before - 3), 'latin1');
    if (end < 0) {
      if (joined.length >= MAX_HEAD_BYTES) return odd('a head of more than 32 KiB');
      this.#held = Buffer.from(joined);
      return MORE;
    }
    this.#held = Buffer.alloc(0);
    const parsed = parseHead(joined.toString('latin1', 0, end));
    if (typeof parsed === 'string') return odd(parsed);
    return { kind: 'head', head: parsed, bodyStart: end + 4 - before };
  }
}

function odd(why: string): HeadProgress {
  return { kind: 'odd', why };
}

/** A head without its empty line; a text says why it is not accepted. */
function parseHead(text: string): RawHead | string {
  const lines = text.split('\r\n');
  const match = /^HTTP\/1\.1 ([1-5]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/.exec(lines[0] ?? '');
  if (match === null) return 'no HTTP/1.1 status line';
  if (lines.length - 1 > MAX_HEADERS) return 'too many headers';
  const headers = new Map<string, string>();
  for (let index = 1; index < lines.length; index += 1) {
    const header = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t ]*([\t\x20-\x7e\x80-\xff]*)$/.exec(lines[index]!);
    if (header === null) return 'a malformed header';
    const name = header[1]!.toLowerCase();
    if (headers.has(name) && SINGLE.has(name)) return `two headers ${name}`;
    headers.set(name, header[2]!.trimEnd());
  }
  return { status: Number(match[1]), headers };
}

/** Headers that decide where the body ends and what it is: said twice, nobody knows which one counts. */
const SINGLE: ReadonlySet<string> = new Set([
  'content-length',
  'content-range',
  'transfer-encoding',
  'content-encoding',
]);

/** Why a 206 is not the plain one that was asked for; undefined if it is. */
export function rangeProblem(
  head: RawHead,
  start: number,
  end: number,
  fileSize: number,
): string | undefined {
  const { headers } = head;
  if (headers.has('transfer-encoding')) return 'a transfer coding';
  if ((headers.get('content-encoding') ?? 'identity').toLowerCase() !== 'identity') return 'a content coding';
  if (headers.get('content-range') !== `bytes ${start}-${end - 1}/${fileSize}`)
    return 'another Content-Range';
  if (headers.get('content-length') !== String(end - start)) return 'another Content-Length';
  return undefined;
}

/** Whether the server will take another request on this connection. */
export function keepsAlive(head: RawHead): boolean {
  return !/(^|,)\s*close\s*(,|$)/i.test(head.headers.get('connection') ?? '');
}
