import { isKnown } from './known-words.ts';

/** Public hubs, mirrors and storages: their names identify no user. */
const PUBLIC_HOSTS =
  /^(?:huggingface\.(?:co|com|cn)|hf\.co|(?:[a-z0-9-]+\.)*(?:hf|huggingface)\.co|(?:[a-z-]+\.)?xethub\.hf\.co|hf-mirror\.com|(?:[a-z0-9-]+\.)?modelscope\.(?:cn|ai))$/;
/** Path components of every hub and storage. */
const PATH_WORDS = new Set(
  `api models datasets spaces resolve resolve-cache tree refs heads tags pr convert parquet revision raw main
  whoami-v2 xet-read-token xet-bridge-us repos xorbs default`.split(/\s+/),
);
const FILE_NAMES = new Set(
  `.gitattributes README.md LICENSE config.json generation_config.json model.safetensors model.safetensors.index.json
  pytorch_model.bin pytorch_model.bin.index.json tf_model.h5 flax_model.msgpack quantize_config.json tokenizer.json
  tokenizer.model tokenizer_config.json special_tokens_map.json vocab.json vocab.txt merges.txt
  preprocessor_config.json adapter_config.json adapter_model.safetensors`.split(/\s+/),
);
const EXTENSION =
  /\.(?:safetensors|bin|json|jsonl|txt|md|gguf|model|py|parquet|onnx|h5|msgpack|csv|zip|pt|pth)$/;
const HEX = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;
/** Names of parameters that hubs and storages use. */
const PARAMETERS =
  /^(?:recursive|expand(?:\[\])?|limit|cursor|securityStatus|blobs|etag|download|user_id|xip|repo_id|X-Xet-(?:Cas-Uid|Session-Id|Signed-Range)|X-Amz-(?:Algorithm|Content-Sha256|Credential|Date|Expires|Security-Token|Signature|SignedHeaders)|response-content-(?:type|disposition)|Expires|Policy|Signature|Key-Pair-Id|Hash-Algorithm|response-cache-control|x-id|versionId)$/;
/** Parameters whose values describe the request and not the user. */
const PLAIN_VALUES: ReadonlyMap<string, RegExp> = new Map(
  Object.entries({
    recursive: /^(?:true|1)$/,
    expand: /^(?:true|false|private|gated|downloads|likes|lastModified|sha|pipeline_tag|siblings)$/,
    limit: /^\d{1,5}$/,
    securityStatus: /^(?:true|1)$/,
    blobs: /^(?:true|1)$/,
    'X-Amz-Expires': /^\d{1,6}$/,
    'Hash-Algorithm': /^SHA(?:1|256)$/,
  }),
);

/** Replaces names that identify a person. The same name always becomes the same placeholder. */
export class NameScrubber {
  readonly #endpoint: URL;
  /** Names that stay: those inside a public repository. */
  readonly #open: ReadonlySet<string>;
  readonly #placeholders = new Map<string, string>();
  readonly #counts = new Map<string, number>();

  constructor(endpoint: string, open: ReadonlySet<string>) {
    this.#endpoint = new URL(endpoint);
    this.#open = open;
  }

  placeholder(kind: string, value: string): string {
    const key = `${kind}\n${value}`;
    const known = this.#placeholders.get(key);
    if (known !== undefined) return known;
    const count = (this.#counts.get(kind) ?? 0) + 1;
    this.#counts.set(kind, count);
    const made = `${kind}-${count}`;
    this.#placeholders.set(key, made);
    return made;
  }

  host(host: string): string {
    return isPublicHost(host) ? host : this.placeholder('host', host);
  }

  /** A commit, or the digest of a file. A private one becomes a made-up one of the same length. */
  hex(value: string): string {
    if (this.#open.has(value)) return value;
    const number = this.placeholder('hex', value).slice('hex-'.length);
    return Number(number).toString(16).padStart(value.length, '0');
  }

  /** Owner, repository, branch, directory or file. */
  segment(text: string): string {
    if (text === '' || PATH_WORDS.has(text) || FILE_NAMES.has(text) || this.#open.has(text)) return text;
    if (HEX.test(text)) return this.hex(text);
    return this.placeholder('name', text) + (EXTENSION.exec(text)?.[0] ?? '');
  }

  /** `owner/name`, `directory/file`, `refs/heads/x`. */
  path(text: string): string {
    return text
      .split('/')
      .map((segment) => this.segment(segment))
      .join('/');
  }

  /** The path of an address. The prefix of the endpoint is replaced, because it may name a company. */
  pathname(host: string, pathname: string): string {
    const prefix = this.#endpoint.pathname;
    const below = host === this.#endpoint.host && prefix !== '/' && pathname.startsWith(`${prefix}/`);
    const rest = below ? pathname.slice(prefix.length) : pathname;
    const scrubbed = rest
      .split('/')
      .map((segment) => this.path(decode(segment)).split('/').map(encodeURIComponent).join('%2F'))
      .join('/');
    return below ? `/endpoint${scrubbed}` : scrubbed;
  }

  /** `a=b&c=d`, in its order. `nowMs` is when the address came. */
  query(search: string, nowMs: number): string {
    return search
      .split('&')
      .filter((part) => part !== '')
      .map((part) => {
        const equals = part.indexOf('=');
        const name = decode(equals < 0 ? part : part.slice(0, equals));
        const value = equals < 0 ? '' : decode(part.slice(equals + 1));
        const told = PARAMETERS.test(name) ? name : this.placeholder('parameter', name);
        if (equals < 0) return told;
        if (name === 'Expires' && /^\d{9,11}$/.test(value)) {
          return `Expires=in-${Math.max(0, Math.round(Number(value) - nowMs / 1000))}`;
        }
        const isPlain = value === '' || PLAIN_VALUES.get(name)?.test(value) === true;
        return `${told}=${isPlain ? value : this.placeholder(told.replace(/[^A-Za-z]+/g, ''), value)}`;
      })
      .join('&');
  }

  /** An address in a header, absolute or relative. */
  address(text: string, base: string, nowMs: number): string {
    const isAbsolute = /^(?:https?:)?\/\//i.test(text);
    let url: URL;
    try {
      url = new URL(text, base);
    } catch {
      return '<unreadable>';
    }
    const query = text.split('#')[0]?.split('?').slice(1).join('?') ?? '';
    const local = `${this.pathname(url.host, url.pathname)}${query === '' ? '' : `?${this.query(query, nowMs)}`}`;
    return isAbsolute ? `${url.protocol}//${this.host(url.host)}${local}` : local;
  }
}

export function isPublicHost(host: string): boolean {
  return PUBLIC_HOSTS.test(host);
}

/** Names of headers show which proxies are on the way. A name with an unknown word is replaced. */
export function isPlainHeaderName(name: string): boolean {
  return name.length <= 40 && name.split('-').every((part) => part.length <= 2 || isKnown(part));
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
