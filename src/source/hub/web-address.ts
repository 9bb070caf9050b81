import { FetchError } from '../../model/error.ts';
import type { RepoType } from '../../model/repo.ts';

export const HUB_HOST = 'huggingface.co';

/** Hosts of the Hub, from its own list of domains (field facts 2.1); people paste addresses of all of them. */
export const HUB_HOSTS: ReadonlySet<string> = new Set(
  [HUB_HOST, 'hf.co', 'huggingface.com', 'huggingface.cn'].flatMap((host) => [host, `www.${host}`]),
);

/** First path segments that do not lead to a repository. */
const OTHER_SECTIONS: ReadonlySet<string> = new Set(
  'api blog buckets collections docs join kernels login models organizations papers posts pricing settings tasks'.split(
    ' ',
  ),
);

/** By page of a repository: what the rest of the address names. */
const PAGES: ReadonlyMap<string, 'file' | 'folder'> = new Map([
  ['tree', 'folder'],
  ['blob', 'file'],
  ['resolve', 'file'],
  ['raw', 'file'],
]);

/** The parts of an address, decoded but not yet checked. */
export interface AddressParts {
  readonly type: RepoType;
  readonly id: string;
  readonly revision: string | undefined;
  readonly path: string | undefined;
  readonly pathKind: 'file' | 'folder' | 'either';
}

/** True for `https://…`, and for `huggingface.co/…` as some browsers copy it. */
export function isWebAddress(text: string, endpoint: string): boolean {
  if (/^https?:\/\//i.test(text)) return true;
  const host = text.split('/', 1)[0]?.toLowerCase() ?? '';
  if (!text.includes('/')) return false;
  // A host without a dot (`http://hub`) could also be the owner of a repository.
  return HUB_HOSTS.has(host) || (/[.:]/.test(host) && host === endpointUrl(endpoint).host);
}

/** Parses an address of the endpoint or of huggingface.co. Query and fragment are ignored. */
export function parseWebAddress(text: string, endpoint: string): AddressParts {
  const base = endpointUrl(endpoint);
  const url = tryUrl(/^https?:\/\//i.test(text) ? text : `https://${text}`);
  if (url === undefined) {
    throw new FetchError('USAGE', 'The address of the repository cannot be read.', {
      hint: 'Paste it as the browser shows it, or write OWNER/NAME.',
    });
  }
  const atEndpoint = url.host === base.host;
  if (!atEndpoint && !HUB_HOSTS.has(url.host)) {
    // Print only the host: the rest of an address may hold credentials or a signature.
    throw new FetchError('USAGE', `The address is on ${url.host}, but the endpoint is ${base.host}.`, {
      hint: `For another hub say --endpoint ${url.protocol}//${url.host}, or write the repository as OWNER/NAME.`,
    });
  }
  const segments = url.pathname.split('/').filter((segment) => segment !== '');
  if (atEndpoint) dropPrefix(segments, base.pathname);
  return parseSegments(segments.map(decodeSegment));
}

/**
 * Reads a revision from the front of decoded segments and removes it there. `refs/pr/N` and
 * `refs/convert/X` are the only revisions that keep their slashes in an address.
 */
export function takeRevision(segments: string[]): string | undefined {
  const long = segments[0] === 'refs' && (segments[1] === 'pr' || segments[1] === 'convert');
  const taken = segments.splice(0, long ? 3 : 1);
  return taken.length === 0 ? undefined : taken.join('/');
}

/** Decodes percent-encoding; throws USAGE if it is malformed. */
export function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch (cause) {
    throw new FetchError('USAGE', `${JSON.stringify(segment)} is not valid percent-encoding.`, {
      cause,
      hint: 'Write a "%" that means itself as %25.',
    });
  }
}

function parseSegments(segments: string[]): AddressParts {
  let type: RepoType = 'model';
  if (segments[0] === 'datasets' || segments[0] === 'spaces') {
    type = segments.shift() === 'datasets' ? 'dataset' : 'space';
  } else if (OTHER_SECTIONS.has(segments[0] ?? '')) {
    throw notARepository();
  }
  // A page is followed by a revision, so `owner/tree` is a repository and `gpt2/tree/main` is a page. Try OWNER/NAME
  // first: repositories without an owner are the exception.
  const nameParts = [2, 1].find((count) => PAGES.has(segments[count] ?? '') && segments.length > count + 1);
  const id = segments.splice(0, nameParts ?? 2).join('/');
  if (id === '') throw notARepository();
  const page = segments.shift();
  if (page === undefined) return { type, id, revision: undefined, path: undefined, pathKind: 'either' };
  const pathKind = PAGES.get(page);
  if (pathKind === undefined) throw notARepository(id, page, segments[0]);
  const revision = takeRevision(segments);
  const path = segments.length === 0 ? undefined : segments.join('/');
  return { type, id, revision, path, pathKind };
}

function notARepository(id = '', page = '', next = ''): FetchError {
  const isPull = page === 'discussions' && /^\d+$/.test(next);
  const where = id === '' ? 'no repository' : `the page "${page}" of ${id}`;
  return new FetchError('USAGE', `The address names ${where}, not something to download.`, {
    hint: isPull
      ? `If it is a pull request: \`fetch ${id} --revision refs/pr/${next}\`.`
      : 'Paste the address of a repository, of its "Files" tab, or of a file in it.',
  });
}

/** Removes the path of the endpoint: a hub behind a reverse proxy may be served below one. */
function dropPrefix(segments: string[], prefix: string): void {
  const expected = prefix.split('/').filter((segment) => segment !== '');
  if (expected.every((segment, index) => segments[index] === segment)) segments.splice(0, expected.length);
}

function endpointUrl(endpoint: string): URL {
  const url = tryUrl(endpoint);
  if (url !== undefined && /^https?:$/.test(url.protocol)) return url;
  throw new FetchError('USAGE', 'The endpoint is not the address of a hub.', {
    hint: 'Write it as https://HOST (--endpoint or HF_ENDPOINT).',
  });
}

function tryUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}
