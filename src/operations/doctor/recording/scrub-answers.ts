import { knownWords } from './known-words.ts';
import { isPlainHeaderName, type NameScrubber } from './scrub-names.ts';

/** Recorded headers with their allowed values; of other values only the length is recorded. */
const HEADERS: Readonly<Record<string, RegExp>> = {
  'accept-ranges': /^(?:bytes|none)$/,
  age: /^\d{1,9}$/,
  'alt-svc': /^h3=":443"; ma=\d+$/,
  'cache-control':
    /^(?:(?:no-store|no-cache|private|public|immutable|must-revalidate|max-age=\d+)(?:, ?|$))+$/,
  connection: /^(?:keep-alive|close)$/i,
  'content-encoding': /^(?:gzip|br|deflate|identity)$/,
  'content-length': /^\d{1,16}$/,
  'content-range': /^bytes (?:\d+-\d+|\*)\/(?:\d+|\*)$/,
  'content-type':
    /^(?:application\/(?:json|octet-stream|xml|zip|gzip|vnd\.xet-fileinfo\+json)|text\/(?:html|plain|xml)|binary\/octet-stream)(?:; ?charset=utf-8)?$/i,
  date: /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/,
  'keep-alive': /^(?:timeout=\d+|max=\d+)(?:, ?(?:timeout=\d+|max=\d+))*$/,
  ratelimit: /^"?(?:api|pages|resolvers|\|)+"?;r=\d+;t=\d+$/,
  'ratelimit-policy': /^"fixed window";"(?:api|pages|resolvers|\|)+";q=\d+;w=\d+$/,
  'retry-after': /^\d{1,6}$/,
  'transfer-encoding': /^chunked$/,
  vary: /^(?:(?:Origin|Accept|Accept-Encoding)(?:, ?|$))+$/i,
  'x-cache': /^(?:Hit|Miss|Error|RefreshHit) from cloudfront$/,
  'x-error-code': /^(?:RepoNotFound|GatedRepo|EntryNotFound|RevisionNotFound|DisabledRepo)$/,
  'x-hf-cdn-pop':
    /^(?:aws|gcp)-(?:us|eu|ap|sa|ca|me|af|il|asia|europe|australia)-(?:north|south|east|west|central)+-?\d$/,
  'x-hub-cache': /^(?:HIT|MISS)$/,
  'x-linked-size': /^\d{1,16}$/,
  'x-powered-by': /^huggingface-moon$/,
};
const ADDRESSES = new Set(['location', 'content-location']);
const DIGESTS = new Set(['etag', 'x-linked-etag', 'x-repo-commit', 'x-xet-hash']);
const SENTENCES = new Set(['x-error-message', 'x-hf-warning', 'warning', 'www-authenticate']);
const OTHER_NAMES = new Set(
  `set-cookie server via x-request-id x-amz-cf-id x-amz-cf-pop x-amzn-trace-id x-amz-request-id x-amz-id-2 cf-ray
  content-disposition content-security-policy access-control-allow-origin access-control-expose-headers
  access-control-allow-headers access-control-max-age cross-origin-opener-policy referrer-policy last-modified link
  strict-transport-security x-content-type-options x-frame-options x-inference-id x-total-count x-served-by
  authorization accept accept-encoding user-agent range x-hf-download-counter proxy-authorization cookie`.split(
    /\s+/,
  ),
);
const REQUEST_VALUES: ReadonlyMap<string, RegExp> = new Map(
  Object.entries({
    range: /^bytes=\d*-\d*$/,
    accept: /^(?:\*\/\*|application\/json)$/,
    'accept-encoding': /^identity$/,
    'x-hf-download-counter': /^1$/,
  }),
);

/** Scrubs requests and responses: only values known to be harmless stay. */
export class AnswerScrubber {
  readonly #names: NameScrubber;

  constructor(names: NameScrubber) {
    this.#names = names;
  }

  /** `name: value`, or `name: <n characters>` for an unknown value. */
  headers(raw: readonly string[], base: string, nowMs: number): string[] {
    const told: string[] = [];
    for (let index = 0; index + 1 < raw.length; index += 2) {
      const [name = '', value = ''] = [raw[index]?.toLowerCase(), raw[index + 1]];
      told.push(`${this.#headerName(name)}: ${this.#headerValue(name, value, base, nowMs)}`);
    }
    return told;
  }

  requestHeaders(headers: Readonly<Record<string, string>>): string[] {
    return Object.entries(headers).map(([name, value]) => {
      const lower = name.toLowerCase();
      const told = REQUEST_VALUES.get(lower)?.test(value) === true ? value : shapeOf(value);
      return `${this.#headerName(lower)}: ${lower === 'authorization' ? '<token>' : told}`;
    });
  }

  #headerName(name: string): string {
    const isKnown =
      Object.hasOwn(HEADERS, name) ||
      [ADDRESSES, DIGESTS, SENTENCES, OTHER_NAMES].some((names) => names.has(name));
    return isKnown || isPlainHeaderName(name) ? name : this.#names.placeholder('header', name);
  }

  #headerValue(name: string, value: string, base: string, nowMs: number): string {
    if (Object.hasOwn(HEADERS, name)) return HEADERS[name]!.test(value) ? value : shapeOf(value);
    if (ADDRESSES.has(name)) return this.#names.address(value, base, nowMs);
    if (SENTENCES.has(name)) return knownWords(value);
    if (DIGESTS.has(name)) {
      const hex = /^(W\/)?"?([0-9a-f]{40}|[0-9a-f]{64})"?$/.exec(value)?.[2];
      return hex === undefined ? shapeOf(value) : value.replace(hex, this.#names.hex(hex));
    }
    if (name === 'link') {
      const next = /^<([^>]+)>; rel="next"$/.exec(value)?.[1];
      return next === undefined ? shapeOf(value) : `<${this.#names.address(next, base, nowMs)}>; rel="next"`;
    }
    return shapeOf(value);
  }

  /** JSON of a hub with the fields that this program reads, or `error`; undefined for other text. */
  json(text: string): unknown {
    let parsed: unknown;
    try {
      parsed = JSON.parse(text);
    } catch {
      return undefined;
    }
    return this.#value(parsed, 0);
  }

  #value(value: unknown, depth: number): unknown {
    if (depth > 6) return null;
    if (Array.isArray(value)) {
      return value
        .slice(0, MAX_ENTRIES)
        .filter((entry) => typeof entry === 'object' && entry !== null)
        .map((entry) => this.#value(entry, depth + 1));
    }
    if (typeof value !== 'object' || value === null) return null;
    const told: Record<string, unknown> = {};
    for (const [key, field] of Object.entries(value)) {
      const kind = Object.hasOwn(FIELDS, key) ? FIELDS[key] : undefined;
      const scrubbed = kind === undefined ? undefined : this.#field(kind, field, depth, value);
      if (scrubbed !== undefined) told[key] = scrubbed;
    }
    return told;
  }

  #field(kind: FieldKind, field: unknown, depth: number, of: object): unknown {
    if (typeof kind === 'object') {
      return typeof field === 'boolean' || (typeof field === 'string' && kind.test(field))
        ? field
        : undefined;
    }
    if (kind === 'nested')
      return typeof field === 'object' && field !== null ? this.#value(field, depth + 1) : undefined;
    if (kind === 'size') return Number.isSafeInteger(field) ? field : undefined;
    if (typeof field !== 'string') return undefined;
    if (kind === 'words') return knownWords(field);
    if (kind === 'hex')
      return /^[0-9a-f]{40}$|^[0-9a-f]{64}$/.test(field) ? this.#names.hex(field) : undefined;
    // The name of an account, not of a branch.
    if (Object.hasOwn(of, 'auth') || Object.hasOwn(of, 'emailVerified'))
      return this.#names.placeholder('user', field);
    return this.#names.path(field);
  }
}

const MAX_ENTRIES = 2000;
type FieldKind = 'nested' | 'size' | 'words' | 'hex' | 'path' | RegExp;
/** Fields of responses of a hub that this program reads. All others are left out. */
const FIELDS: Readonly<Record<string, FieldKind>> = {
  error: 'words',
  message: 'words',
  path: 'path',
  rfilename: 'path',
  id: 'path',
  modelId: 'path',
  name: 'path',
  ref: 'path',
  sha: 'hex',
  oid: 'hex',
  xetHash: 'hex',
  sha256: 'hex',
  targetCommit: 'hex',
  blobId: 'hex',
  size: 'size',
  pointerSize: 'size',
  lfs: 'nested',
  siblings: 'nested',
  securityFileStatus: 'nested',
  auth: 'nested',
  accessToken: 'nested',
  branches: 'nested',
  tags: 'nested',
  converts: 'nested',
  type: /^(?:file|directory|user|org|access_token)$/,
  role: /^(?:read|write|fineGrained|god)$/,
  status: /^(?:safe|unscanned|queued|caution|suspicious|unsafe|error)$/,
  private: /^$/,
  disabled: /^$/,
  gated: /^(?:auto|manual)$/,
};

function shapeOf(value: string): string {
  return `<${value.length} characters>`;
}
