import { discard, readText } from '../../http/body.ts';
import type { HttpClient, HttpResponse } from '../../http/client.ts';
import { formatRange } from '../../http/range.ts';
import { requestTarget } from '../../http/url.ts';
import { FetchError } from '../../model/error.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { RepoRef, Revision } from '../../model/repo.ts';
import type { HttpLocation } from '../location.ts';
import type { Peer, PeerAnswer } from '../source.ts';
import { MAX_STATUS_BYTES, parseStatus } from './peer-status.ts';

/** What a peer is opened with. */
export interface PeerParts {
  /** Without a slash at the end. */
  readonly address: string;
  readonly http: HttpClient;
  /** Where a hub at an address has a file of a commit. */
  readonly urlOf: (address: string, repo: RepoRef, commit: string, path: string) => URL;
  /** Where `fetch serve` tells what it has of a commit that is being fetched. */
  readonly statusUrlOf: (address: string, repo: RepoRef, commit: string) => URL;
}

export function createPeer({ address, http, urlOf, statusUrlOf }: PeerParts): Peer {
  const locate = ({ repo, id }: Revision, { path }: RemoteFile, unfinished = false): HttpLocation => ({
    kind: 'http',
    url: `${urlOf(address, repo, id, path).href}${unfinished ? '?partial=true' : ''}`,
    authorization: undefined,
    expiresAt: undefined,
    ranges: 'any',
    ownOriginOnly: true,
  });
  return {
    address,
    locate,
    ask: async (revision, file, signal) => {
      const { url } = locate(revision, file);
      // With a range, so that little comes. A redirect in the answer, which it would bind, is not followed.
      const request = { url: new URL(url), target: requestTarget(url), signal };
      const response = await http.get({ ...request, headers: { range: formatRange({ start: 0, end: 1 }) } });
      discard(response);
      return meaning(response);
    },
    status: async ({ repo, id }, signal) => {
      const response = await http.get({ url: statusUrlOf(address, repo, id), signal });
      if (response.status === 200) return parseStatus(await readText(response, MAX_STATUS_BYTES, signal));
      discard(response);
      if (response.status !== 429 && response.status < 500) return undefined;
      const { host } = response.url;
      throw new FetchError('NETWORK', `${host} answered ${response.status}`, { retryable: true, hint: HINT });
    },
  };
}

const HINT = 'A peer is a machine that runs `fetch serve`, or a mirror that needs no login.';

function meaning({ status, headers, url }: HttpResponse): PeerAnswer {
  const code = headers['x-error-code'];
  if (code === 'RepoNotFound' || code === 'RevisionNotFound') return 'lacks the revision';
  if (status === 404 || status === 410) return 'lacks it';
  // The transfer decides about the rest: a redirect may stay here, a busy server may be idle by then.
  if (status < 400 || status === 429 || status >= 500) return 'has it';
  throw new FetchError('NETWORK', `${url.host} answered ${status}`, {
    status,
    hint: HINT,
  });
}
