import { constants } from 'node:os';
import type { Check } from '../../../model/diagnostic.ts';
import { knownWords } from './known-words.ts';
import type { Recorder, SocketExchange } from './recorder.ts';
import { AnswerScrubber } from './scrub-answers.ts';
import { isPublicHost, NameScrubber } from './scrub-names.ts';

/** The document that a user attaches to a report. */
export interface Recording {
  readonly v: 1;
  readonly what: typeof RECORDING;
  readonly program: string;
  readonly node: string;
  readonly system: string;
  /** The day, `2026-11-25`. */
  readonly recorded: string;
  readonly endpoint: string;
  /** The endpoint is reached through a proxy. */
  readonly proxy: boolean;
  /** Undefined if no repository was checked. */
  readonly repo?: { readonly type: string; readonly id: string; readonly revision: string };
  readonly checks: readonly Pick<Check, 'name' | 'state' | 'code'>[];
  readonly exchanges: readonly Exchange[];
  /** Some exchanges were left out: there were too many. */
  readonly cut?: true;
}

/** One request and its response. Times are milliseconds since the request. */
export interface Exchange {
  readonly atMs: number;
  readonly method: string;
  readonly scheme: string;
  readonly host: string;
  readonly path: string;
  readonly query?: string;
  /** Headers, each `name: value`. */
  readonly request: readonly string[];
  readonly connection: 'new' | 'kept';
  readonly times: { readonly [phase: string]: number };
  /** Undefined without a response. */
  readonly status?: number;
  readonly headers: readonly string[];
  readonly body: {
    /** Received bytes. */
    readonly length: number;
    readonly complete: boolean;
    readonly json?: unknown;
    readonly text?: string;
    readonly sha256?: string;
    readonly git?: string;
  };
  readonly error?: { readonly code?: string; readonly words: string };
}

export const RECORDING = 'a recording of fetch doctor';

/** Data that the recording is made from. */
export interface Recorded {
  readonly program: string;
  readonly node: string;
  readonly system: string;
  readonly nowMs: number;
  readonly endpoint: string;
  readonly proxy: boolean;
  readonly target: { readonly type: string; readonly id: string; readonly revision: string } | undefined;
  readonly checks: readonly Check[];
  /** Known secrets: removed wherever they occur. */
  readonly secrets: readonly string[];
}

/** The exchanges without names, addresses and secrets of the user. */
export function toRecording({ exchanges, cut }: Recorder, recorded: Recorded): Recording {
  const { endpoint, proxy, target, checks, nowMs, program, node, system } = recorded;
  const names = new NameScrubber(endpoint, openNames(exchanges, recorded));
  const answers = new AnswerScrubber(names);
  const { protocol, host, pathname } = new URL(endpoint);
  const began = nowMs - Math.max(0, ...exchanges.map(({ startedMs }) => startedMs));
  const recording: Recording = {
    v: 1,
    what: RECORDING,
    program,
    node,
    system,
    recorded: new Date(nowMs).toISOString().slice(0, 10),
    endpoint: `${protocol}//${names.host(host)}${pathname === '/' ? '' : '/endpoint'}`,
    proxy,
    ...(target === undefined
      ? {}
      : { repo: { type: target.type, id: names.path(target.id), revision: names.path(target.revision) } }),
    checks: checks.map(({ name, state, code }) => ({ name, state, ...(code === undefined ? {} : { code }) })),
    exchanges: exchanges.map((one) => toExchange(one, names, answers, began + one.startedMs)),
    ...(cut ? { cut: true } : {}),
  };
  return without(recording, recorded.secrets);
}

function toExchange(
  raw: SocketExchange,
  names: NameScrubber,
  answers: AnswerScrubber,
  nowMs: number,
): Exchange {
  const { address, timing, status, digests, error, text } = raw;
  const url = new URL(address);
  const query = address.split('#')[0]?.split('?').slice(1).join('?') ?? '';
  const json = text === undefined ? undefined : answers.json(text);
  const times = Object.fromEntries(
    Object.entries(timing).flatMap(([phase, value]) =>
      typeof value === 'number' ? [[phase, Math.round(value)]] : [],
    ),
  );
  return {
    atMs: Math.round(raw.startedMs),
    method: raw.method,
    scheme: url.protocol.slice(0, -1),
    host: names.host(url.host),
    path: names.pathname(url.host, url.pathname),
    ...(query === '' ? {} : { query: names.query(query, nowMs) }),
    request: answers.requestHeaders(raw.requestHeaders),
    connection: timing.kept ? 'kept' : 'new',
    times,
    ...(status === undefined ? {} : { status }),
    headers: answers.headers(raw.rawHeaders, address, nowMs),
    body: {
      length: raw.length,
      complete: raw.complete,
      ...(json !== undefined ? { json } : text === undefined ? {} : { text: knownWords(text) }),
      ...(digests === undefined ? {} : { sha256: names.hex(digests.sha256), git: names.hex(digests.git) }),
    },
    ...(error === undefined ? {} : { error: errorOf(error) }),
  };
}

/** Error codes of systems and of Node. */
const CODES = new Set([
  ...Object.keys(constants.errno),
  ...`ENOTFOUND EAI_AGAIN EAI_FAIL ERR_TLS_CERT_ALTNAME_INVALID ERR_SSL_WRONG_VERSION_NUMBER EPROTO CERT_HAS_EXPIRED
  CERT_NOT_YET_VALID DEPTH_ZERO_SELF_SIGNED_CERT SELF_SIGNED_CERT_IN_CHAIN UNABLE_TO_VERIFY_LEAF_SIGNATURE
  UNABLE_TO_GET_ISSUER_CERT UNABLE_TO_GET_ISSUER_CERT_LOCALLY HPE_INVALID_CONSTANT HPE_INVALID_HEADER_TOKEN
  HPE_HEADER_OVERFLOW HPE_CLOSED_CONNECTION HPE_INVALID_CONTENT_LENGTH NETWORK ACCESS`.split(/\s+/),
]);

function errorOf({ code, message }: NonNullable<SocketExchange['error']>): NonNullable<Exchange['error']> {
  return { ...(code !== undefined && CODES.has(code) ? { code } : {}), words: knownWords(message) };
}

/**
 * Names that stay readable: owner, name, branches, files and hashes of a public repository on a public hub. None for any
 * other repository, and for those of the user.
 */
function openNames(
  exchanges: readonly SocketExchange[],
  { endpoint, target, secrets }: Recorded,
): Set<string> {
  const open = new Set<string>();
  if (target === undefined || !isPublicHost(new URL(endpoint).host)) return open;
  const documents = exchanges.flatMap(({ text, status }) => (status === 200 ? [parsed(text)] : []));
  const isPublic = documents.some((json) => isObject(json) && json['private'] === false && 'sha' in json);
  const [owner = ''] = target.id.split('/');
  if (!isPublic || secrets.includes(owner)) return open;
  for (const part of [...target.id.split('/'), ...target.revision.split('/')]) open.add(part);
  for (const json of documents) collect(json, open);
  return open;
}

const NAMED = new Set(['path', 'rfilename', 'id', 'sha', 'oid', 'sha256', 'xetHash']);

function collect(json: unknown, open: Set<string>): void {
  if (Array.isArray(json)) for (const entry of json) collect(entry, open);
  if (!isObject(json)) return;
  // The account of the token.
  if ('auth' in json || 'emailVerified' in json) return;
  for (const [key, value] of Object.entries(json)) {
    if (NAMED.has(key) && typeof value === 'string') for (const part of value.split('/')) open.add(part);
    else if (key === 'lfs' || key === 'siblings') collect(value, open);
  }
}

/** All texts in the response of a hub about the account. */
export function accountTexts({ exchanges }: Recorder): string[] {
  return exchanges.flatMap(({ address, text }) => {
    const json = /\/whoami-v2$/.test(new URL(address).pathname) ? parsed(text) : undefined;
    return isObject(json)
      ? ['name', 'fullname', 'email', 'id'].flatMap((key) => {
          const value = json[key];
          return typeof value === 'string' ? [value] : [];
        })
      : [];
  });
}

const MIN_SECRET = 3;

/** Last check: removes known secrets from every text of the document. */
function without(recording: Recording, secrets: readonly string[]): Recording {
  const known = [...new Set(secrets)]
    .filter((secret) => secret.length >= MIN_SECRET)
    .sort((left, right) => right.length - left.length);
  const clean = (value: unknown): unknown => {
    if (typeof value === 'string') {
      return known.reduce((text, secret) => text.replaceAll(secret, '<secret>'), value);
    }
    if (Array.isArray(value)) return value.map(clean);
    if (!isObject(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, clean(field)]));
  };
  return clean(recording) as Recording;
}

function parsed(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
