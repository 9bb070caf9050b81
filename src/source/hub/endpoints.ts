import type { RepoRef } from '../../model/repo.ts';
import { repoPath } from '../../model/repo.ts';

export const DEFAULT_ENDPOINT = 'https://huggingface.co';

/**
 * URL of a file's content. The revision is one segment (a `/` in a branch name becomes `%2F`), the path
 * keeps its slashes and encodes all else, so that `#`, `?` and `%` in names survive.
 */
export function resolveUrl(endpoint: string, repo: RepoRef, commit: string, path: string): URL {
  const file = path.split('/').map(encodeURIComponent).join('/');
  return new URL(`${endpoint}/${repoPath(repo)}/resolve/${encodeURIComponent(commit)}/${file}`);
}

/**
 * Moves an address on the endpoint's own host below the endpoint's path: a reverse proxy that serves a hub below a path
 * may pass the hub's redirects on unchanged. Other addresses are returned unchanged.
 */
export function underEndpoint(endpoint: string, address: string): string {
  const { origin, pathname } = new URL(endpoint);
  if (pathname === '/' || !address.startsWith(`${origin}/`)) return address;
  const path = address.slice(origin.length);
  return path.startsWith(`${pathname}/`) ? address : origin + pathname + path;
}

/** URL of the list of branches and tags. */
export function refsUrl(endpoint: string, repo: RepoRef): URL {
  return new URL(`${endpoint}/api/${repo.type}s/${repo.id}/refs`);
}

/** URL of the information about a revision, with the sizes and hashes of its files. */
export function siblingsUrl(endpoint: string, repo: RepoRef, commit: string): URL {
  return new URL(`${endpoint}/api/${repo.type}s/${repo.id}/revision/${commit}?blobs=true`);
}

/** URL of what the scanners of the Hub say about a revision. */
export function securityUrl(endpoint: string, repo: RepoRef, commit: string): URL {
  return new URL(`${endpoint}/api/${repo.type}s/${repo.id}/revision/${commit}?securityStatus=true`);
}

/** URL of a token for the content store of a revision's files. */
export function xetTokenUrl(endpoint: string, repo: RepoRef, commit: string): URL {
  return new URL(`${endpoint}/api/${repo.type}s/${repo.id}/xet-read-token/${encodeURIComponent(commit)}`);
}

/** URL of what `fetch serve` has of a commit that a run is fetching. No other hub has it. */
export function partialUrl(endpoint: string, repo: RepoRef, commit: string): URL {
  return new URL(`${endpoint}/api/${repo.type}s/${repo.id}/partial/${commit}`);
}

/** The page of a repository that people open in a browser. */
export function pageUrl(endpoint: string, repo: RepoRef): string {
  return `${endpoint}/${repoPath(repo)}`;
}
