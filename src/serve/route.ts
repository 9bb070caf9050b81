import type { RepoRef, RepoType } from '../model/repo.ts';

/** What a request asks for. `rest` is what follows the keyword, decoded, one text per segment. */
export interface Route {
  readonly kind: 'info' | 'revision' | 'tree' | 'refs' | 'paths-info' | 'partial' | 'resolve' | 'raw';
  readonly repo: RepoRef;
  readonly rest: readonly string[];
}

/** A map, as an owner may be called `constructor`. */
const TYPES = new Map<string, RepoType>([
  ['models', 'model'],
  ['datasets', 'dataset'],
  ['spaces', 'space'],
]);
/** `partial` is our own: what is here of a revision, complete or not. */
const API = new Set(['revision', 'tree', 'refs', 'paths-info', 'partial']);
const FILES = new Set(['resolve', 'raw']);
/** Longer paths name nothing that a file system holds. */
const MAX_LENGTH = 8192;

/** What follows the method in the first line of a request, in its parts. */
export interface Target {
  /** Host and port, where the whole address is given. */
  readonly authority: string | undefined;
  /** As it was sent, still encoded. */
  readonly path: string;
  /** Without the question mark. */
  readonly query: string;
}

/** Takes a request target apart: clients of a proxy send the whole address, which every server must accept (RFC 9112 3.2.2). */
export function parseTarget(target: string): Target {
  const [, authority, rest = ''] = /^(?:https?:\/\/([^/?]*))?(.*)$/is.exec(target) ?? [];
  const mark = rest.indexOf('?');
  const path = mark < 0 ? rest : rest.slice(0, mark);
  return { authority, path, query: mark < 0 ? '' : rest.slice(mark + 1) };
}

/**
 * Reads the path of a URL. Undefined for anything that no hub has. Names are only looked up in listings, never used as
 * paths of this machine; still, what could be meant as one is nothing that is here.
 */
export function parseRoute(path: string): Route | undefined {
  if (path.length > MAX_LENGTH || !path.startsWith('/')) return undefined;
  const segments = path.slice(1).replace(/\/$/, '').split('/').map(decode);
  if (!segments.every(isSegment)) return undefined;
  if (segments[0] === 'api') return apiRoute(segments.slice(1));
  const type = TYPES.get(segments[0]!);
  return type === undefined || type === 'model'
    ? fileRoute('model', segments)
    : fileRoute(type, segments.slice(1));
}

function apiRoute([types = '', ...segments]: readonly string[]): Route | undefined {
  const type = TYPES.get(types);
  if (type === undefined) return undefined;
  for (const length of [2, 1]) {
    const [id, kind, rest] = split(segments, length);
    if (id === undefined || kind === undefined || !API.has(kind)) continue;
    if (rest.length > 0 !== (kind === 'refs'))
      return { kind: kind as Route['kind'], repo: { type, id }, rest };
  }
  return segments.length === 1 || segments.length === 2
    ? { kind: 'info', repo: { type, id: segments.join('/') }, rest: [] }
    : undefined;
}

function fileRoute(type: RepoType, segments: readonly string[]): Route | undefined {
  for (const length of [2, 1]) {
    const [id, kind, rest] = split(segments, length);
    if (id === undefined || kind === undefined || !FILES.has(kind) || rest.length < 2) continue;
    return { kind: kind as Route['kind'], repo: { type, id }, rest };
  }
  return undefined;
}

/** The id of the first `length` segments, the keyword behind it, and the rest. The oldest repositories have no owner. */
function split(
  segments: readonly string[],
  length: number,
): [id: string | undefined, kind: string | undefined, rest: readonly string[]] {
  const id = segments.length < length ? undefined : segments.slice(0, length).join('/');
  return [id, segments[length], segments.slice(length + 1)];
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return '';
  }
}

/** A decoded `/` may stand in a revision: `refs%2Fpr%2F1`. */
function isSegment(segment: string): boolean {
  return segment !== '' && segment.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

/**
 * Splits what follows the keyword into a revision and a path. Clients write `refs/pr/1` encoded and plain, so the longest
 * beginning that `isRevision` knows counts, and else the first segment.
 */
export function splitRevision(
  rest: readonly string[],
  isRevision: (name: string) => boolean,
): { readonly revision: string; readonly path: string } {
  // No revision that we serve has more segments: a bound on the work for one request.
  for (let length = Math.min(rest.length, 8); length > 1; length -= 1) {
    const revision = rest.slice(0, length).join('/');
    if (isRevision(revision)) return { revision, path: rest.slice(length).join('/') };
  }
  return { revision: rest[0] ?? '', path: rest.slice(1).join('/') };
}
