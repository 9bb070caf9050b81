import { FetchError } from '../model/error.ts';
import type { Plan } from '../model/plan.ts';
import type { RemoteFile } from '../model/remote-file.ts';
import { type RepoRef, type Revision, repoPath } from '../model/repo.ts';
import { endpointOf } from '../source/naming.ts';
import { openHttp, openSource, type SourceAccess } from '../source/open-source.ts';
import type { Source } from '../source/source.ts';
import { type Lockfile, type LockfileEntry, lockfileEntry } from '../store/records/lockfile.ts';
import type { Manifest } from '../store/records/manifest.ts';
import type { RunContext } from '../system/run-context.ts';
import { SourceResolver } from './download/resolve-source.ts';
import type { RevisionRequest } from './download/resolver.ts';

/** Lockfiles of what a download would fetch, in the order of the targets. Fetches no files. */
export async function lockRevisions(
  targets: readonly RevisionRequest[],
  access: SourceAccess,
  run: RunContext,
): Promise<readonly Lockfile[]> {
  using http = openHttp(access, run);
  // One source for all targets of its kind: they share its quota of requests.
  const sources = new Map<string | undefined, Source>();
  const locks: Lockfile[] = [];
  for (const target of targets) {
    const kind = target.repo.source;
    const source = sources.get(kind) ?? openSource(target.repo, { access, run, http });
    sources.set(kind, source);
    const { revision, selected } = await new SourceResolver(target).resolve({ source, run });
    const { repo, name, id: commit } = revision;
    const files = entriesOf(repo, selected);
    locks.push({
      version: 1,
      endpoint: endpointOf(repo, access.endpoint),
      repo,
      revision: name,
      commit,
      files,
    });
  }
  return locks;
}

function entriesOf(repo: RepoRef, files: readonly RemoteFile[]): LockfileEntry[] {
  return files.map((file) => {
    if (file.digest === undefined) throw withoutHash(repo, file.path);
    return lockfileEntry(file, file.digest);
  });
}

function withoutHash(repo: RepoRef, path: string): FetchError {
  return new FetchError('NETWORK', `the endpoint lists no usable hash for ${path} of ${repoPath(repo)}`, {
    hint: 'A lockfile without hashes cannot verify anything. Download it instead: fetch REPO --lock FILE hashes what comes.',
  });
}

/**
 * The lockfile of a finished download: with the hashes computed here, or, on a read-only disk where they cannot be
 * recorded, with those of the listing.
 */
export function lockOfDownload(
  { revision, plan }: { readonly revision: Revision; readonly plan: Plan },
  endpoint: string,
  manifest: Manifest | undefined,
): Lockfile {
  const files = plan.files.map(({ file }) => file);
  const paths = new Set(files.map(({ path }) => path));
  if (manifest !== undefined)
    return { ...manifest, files: manifest.files.filter(({ path }) => paths.has(path)) };
  const { repo, name, id: commit } = revision;
  return { version: 1, endpoint, repo, revision: name, commit, files: entriesOf(repo, files) };
}
