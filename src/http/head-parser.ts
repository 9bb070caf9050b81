/** The head of an HTTP/1.1 answer, read strictly. Names are lower case. */
export interface ResponseHead {
  readonly status: number;
  /** Values of a repeated header are joined with commas. */
  readonly headers: ReadonlyMap<string, string>;
}

/** The state after a chunk. `bodyStart` is the offset in the last chunk where the body begins. */
export type HeadProgress =
  | { readonly kind: 'more' }
  | { readonly kind: 'head'; readonly head: ResponseHead; readonly bodyStart: number }
  /** Not a plain answer; Node's more lenient parser may take it. */
  | { readonly kind: 'unsupported'; readonly why: string };

const MAX_HEAD_BYTES = 32 * 1024;
const MAX_HEADERS = 200;
const MORE: HeadProgress = { kind: 'more' };
const BEGINNING = Buffer.from('HTTP/1.1 ', 'latin1');
/** Some proxies answer CONNECT with HTTP/1.0. */
const OLD_BEGINNING = Buffer.from('HTTP/1.0 ', 'latin1');

/**
 * Reads the head of one answer from chunks of any size. Strict: forms that RFC 9112 tolerates from old servers only
 * (bare line feeds, folded lines, spaces before the colon, repeated lengths) are `unsupported`. Holds at most 32 KiB and
 * reads every byte a fixed number of times, however small the chunks are.
 */
export class ResponseHeadParser {
  /** Answers to CONNECT: only their status line counts (RFC 9110 9.3.6), and it may be HTTP/1.0. */
  readonly #toConnect: boolean;
  /** The beginning of a head that comes in several chunks. */
  #held: Buffer | undefined;
  #length = 0;

  constructor({ toConnect = false }: { readonly toConnect?: boolean } = {}) {
    this.#toConnect = toConnect;
  }

  push(chunk: Buffer): HeadProgress {
    const before = this.#length;
    const bytes = before === 0 ? chunk.subarray(0, MAX_HEAD_BYTES) : this.#hold(chunk);
    // The blank line may straddle two chunks: search from the last three held bytes on.
    const end = bytes.indexOf('\r\n\r\n', Math.max(0, before - 3), 'latin1');
    if (end < 0) {
      // Give up at once if it is not HTTP: the peer may wait for us to speak first.
      const right = beginsWith(bytes, BEGINNING) || (this.#toConnect && beginsWith(bytes, OLD_BEGINNING));
      if (!right) return unsupported('no HTTP/1.1 status line');
      if (bytes.length >= MAX_HEAD_BYTES) return unsupported('a head of more than 32 KiB');
      if (before === 0) this.#hold(chunk);
      return MORE;
    }
    this.#held = undefined;
    const text = bytes.toString('latin1', 0, end);
    const parsed = this.#toConnect ? parseFirstLine(text) : parseHead(text);
    if (typeof parsed === 'string') return unsupported(parsed);
    return { kind: 'head', head: parsed, bodyStart: end + 4 - before };
  }

  #hold(chunk: Buffer): Buffer {
    this.#held ??= Buffer.allocUnsafeSlow(MAX_HEAD_BYTES);
    this.#length += chunk.copy(this.#held, this.#length);
    return this.#held.subarray(0, this.#length);
  }
}

function unsupported(why: string): HeadProgress {
  return { kind: 'unsupported', why };
}

function beginsWith(bytes: Buffer, beginning: Buffer): boolean {
  const length = Math.min(bytes.length, beginning.length);
  return bytes.subarray(0, length).equals(beginning.subarray(0, length));
}

const STATUS_LINE = /^HTTP\/1\.1 ([1-5]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/;
const ANY_STATUS_LINE = /^HTTP\/1\.[01] ([1-5]\d\d)(?: |$)/;
const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

function parseFirstLine(text: string): ResponseHead | string {
  const match = ANY_STATUS_LINE.exec(text.split('\r\n', 1)[0] ?? '');
  return match === null ? 'no HTTP/1.1 status line' : { status: Number(match[1]), headers: new Map() };
}

/** Parses a head without its blank line; returns the reason if it is not accepted. */
function parseHead(text: string): ResponseHead | string {
  const lines = text.split('\r\n');
  const match = STATUS_LINE.exec(lines[0] ?? '');
  if (match === null) return 'no HTTP/1.1 status line';
  if (lines.length - 1 > MAX_HEADERS) return 'too many headers';
  const headers = new Map<string, string>();
  for (let index = 1; index < lines.length; index += 1) {
    const line = lines[index]!;
    const colon = line.indexOf(':');
    const value = line.slice(colon + 1);
    // Two patterns: a single one would backtrack over the blanks between name and value.
    if (colon < 1 || !NAME.test(line.slice(0, colon)) || !VALUE.test(value)) return 'a malformed header';
    const name = line.slice(0, colon).toLowerCase();
    const before = headers.get(name);
    if (before !== undefined && SINGLE.has(name)) return `two headers ${name}`;
    headers.set(name, before === undefined ? withoutBlanks(value) : `${before}, ${withoutBlanks(value)}`);
  }
  return { status: Number(match[1]), headers };
}

/** Trims spaces and tabs only: OWS of RFC 9110 5.6.3. */
function withoutBlanks(value: string): string {
  let start = 0;
  let end = value.length;
  while (start < end && isBlank(value.charCodeAt(start))) start += 1;
  while (end > start && isBlank(value.charCodeAt(end - 1))) end -= 1;
  return value.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** Headers that decide where the body ends and what it is. Repeated, they are ambiguous (RFC 9112 6.3). */
const SINGLE: ReadonlySet<string> = new Set([
  'content-length',
  'content-range',
  'transfer-encoding',
  'content-encoding',
]);
