import type { Catalog } from '../repositories/catalog.ts';
import type { RepositoryType } from '../repositories/repository.ts';
import type { RequestKind } from './exchange.ts';

/** What a URL of the hub asks for. */
export interface Route {
  readonly kind: RequestKind;
  readonly type: RepositoryType;
  /** Of the repository, as it was written. */
  readonly id: string;
  readonly revision: string;
  /** File or directory inside the repository; empty for its root. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** The request's target with another repository in place of this one, for redirects after a rename. */
  readonly targetFor: (id: string) => string;
}

type Verbs = ReadonlyMap<string, RequestKind>;

// Maps, as an owner may be called `constructor`.
const API_KINDS: Verbs = new Map(
  (['revision', 'tree', 'refs', 'paths-info', 'xet-read-token'] as const).map((kind) => [kind, kind]),
);
const FILE_KINDS: Verbs = new Map((['resolve', 'raw'] as const).map((kind) => [kind, kind]));
const TYPES = new Map<string, RepositoryType>([
  ['models', 'model'],
  ['datasets', 'dataset'],
  ['spaces', 'space'],
]);

/** Undefined for a URL that means nothing here or cannot be decoded. */
export function parseRoute(target: string, catalog: Catalog): Route | undefined {
  const mark = target.indexOf('?');
  const query = mark < 0 ? '' : target.slice(mark);
  const raw = (mark < 0 ? target : target.slice(0, mark)).split('/').slice(1);
  // Decoded once, and after splitting: an encoded slash stays inside its segment (protocol 1.0).
  const segments = decodeAll(raw);
  if (segments === undefined) return undefined;

  const [first, second] = segments;
  if (first === 'api' && second === 'whoami-v2') return wholeHub('whoami', query, target);
  if (first === 'api' && second === 'resolve-cache') return read(segments, raw, 2, new Map(), query, catalog);
  if (first === 'api') return read(segments, raw, 1, API_KINDS, query, catalog);
  return read(segments, raw, 0, FILE_KINDS, query, catalog);
}

function wholeHub(kind: RequestKind, query: string, target: string): Route {
  const parameters = new URLSearchParams(query);
  return { kind, type: 'model', id: '', revision: '', path: '', query: parameters, targetFor: () => target };
}

/** Reads TYPE, REPOSITORY, VERB, REVISION and PATH from segment number `at` on. */
function read(
  segments: readonly string[],
  raw: readonly string[],
  at: number,
  verbs: Verbs,
  query: string,
  catalog: Catalog,
): Route | undefined {
  const typed = TYPES.get(segments[at] ?? '');
  // Only file URLs of models go without a type.
  if (typed === undefined && at > 0) return undefined;
  const type = typed ?? 'model';
  const from = typed === undefined ? at : at + 1;
  const length = idLength(segments.slice(from), verbs, type, catalog);
  const id = segments.slice(from, from + length).join('/');
  if (id === '') return undefined;

  const after = from + length;
  const cached = at === 2;
  const verb = segments[after];
  const kind = cached
    ? 'resolve-cache'
    : verb === undefined
      ? at === 1
        ? 'info'
        : undefined
      : verbs.get(verb);
  if (kind === undefined) return undefined;
  const { revision, rest } = splitRevision(segments.slice(cached ? after : after + 1));
  return {
    kind,
    type,
    id,
    revision,
    path: rest.join('/'),
    query: new URLSearchParams(query),
    targetFor: (name) => `/${[...raw.slice(0, from), name, ...raw.slice(after)].join('/')}${query}`,
  };
}

/** One segment for the oldest repositories, else two. */
function idLength(segments: readonly string[], verbs: Verbs, type: RepositoryType, catalog: Catalog): number {
  const [first = '', second] = segments;
  if (second === undefined) return 1;
  if (verbs.has(second)) return 1;
  return catalog.find(type, `${first}/${second}`) === undefined && catalog.find(type, first) !== undefined
    ? 1
    : 2;
}

/** A revision is one segment, except that the slashes of `refs/pr/N` and `refs/convert/X` may stand as they are. */
function splitRevision(segments: readonly string[]): { revision: string; rest: readonly string[] } {
  const raw = segments[0] === 'refs' && (segments[1] === 'pr' || segments[1] === 'convert') ? 3 : 1;
  return { revision: segments.slice(0, raw).join('/'), rest: segments.slice(raw) };
}

function decodeAll(segments: readonly string[]): string[] | undefined {
  try {
    return segments.map((segment) => decodeURIComponent(segment));
  } catch {
    return undefined;
  }
}
