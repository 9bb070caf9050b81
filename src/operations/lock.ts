import { FetchError } from '../model/error.ts';
import type { RepoRef } from '../model/repo.ts';
import { repoPath } from '../model/repo.ts';
import { openHttp, openSource, type SourceAccess } from '../source/open-source.ts';
import type { Source } from '../source/source.ts';
import { type Lockfile, lockfileEntry } from '../store/records/lockfile.ts';
import { readManifest } from '../store/records/manifest.ts';
import type { RunContext } from '../system/run-context.ts';
import { HubResolver } from './download/resolve-hub.ts';
import type { RevisionRequest } from './download/resolver.ts';

/** Asks the hub for what a download would fetch, and fetches nothing. In the order of the targets. */
export async function lockRevisions(
  targets: readonly RevisionRequest[],
  access: SourceAccess,
  run: RunContext,
): Promise<readonly Lockfile[]> {
  using http = openHttp(access, run);
  // One source for all its targets: they share its quota of requests.
  const sources = new Map<string | undefined, Source>();
  const locks: Lockfile[] = [];
  for (const target of targets) {
    const { repo: asked } = target;
    const source = sources.get(asked.source) ?? openSource(asked, { access, run, http });
    sources.set(asked.source, source);
    const { revision, selected } = await new HubResolver(target).resolve({ source, run });
    const { repo, name, id: commit } = revision;
    const files = selected.map((file) => {
      if (file.digest === undefined) throw withoutHash(repo, file.path);
      return lockfileEntry(file, file.digest);
    });
    locks.push({ version: 1, endpoint: access.endpoint, repo, revision: name, commit, files });
  }
  return locks;
}

function withoutHash(repo: RepoRef, path: string): FetchError {
  return new FetchError('NETWORK', `the endpoint lists no usable hash for ${path} of ${repoPath(repo)}`, {
    hint: 'A lock without hashes would promise nothing. Download it instead: fetch REPO --lock FILE hashes what comes.',
  });
}

/** The lockfile of a finished download, from its manifest: these paths, with the hashes computed here. */
export function lockOfManifest(path: string, paths: readonly string[]): Lockfile {
  const manifest = readManifest(path);
  if (manifest === undefined) throw new FetchError('BUG', `there is no manifest at ${path} after a download`);
  const wanted = new Set(paths);
  return { ...manifest, files: manifest.files.filter((file) => wanted.has(file.path)) };
}
