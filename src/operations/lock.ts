import { FetchError } from '../model/error.ts';
import type { Emit } from '../model/event.ts';
import type { RemoteFile } from '../model/remote-file.ts';
import type { RepoRef } from '../model/repo.ts';
import { repoPath } from '../model/repo.ts';
import { openHttp, openSource, type SourceAccess } from '../source/open-source.ts';
import type { Source } from '../source/source.ts';
import { type Lockfile, lockfileEntry } from '../store/records/lockfile.ts';
import { readManifest } from '../store/records/manifest.ts';
import type { Environment } from '../system/environment.ts';
import { type Asked, lockfileMismatch, resolveFromHub } from './download/resolution.ts';

/** Asks the hub for what a download would fetch, and fetches nothing. In the order of the targets. */
export async function lockRevisions(
  targets: readonly Asked[],
  access: SourceAccess,
  environment: Environment,
  emit: Emit,
  signal: AbortSignal,
): Promise<readonly Lockfile[]> {
  const http = openHttp(access, environment, emit);
  try {
    // One source for all its targets: they share its quota of requests.
    const sources = new Map<string | undefined, Source>();
    const locks: Lockfile[] = [];
    for (const target of targets) {
      const { repo: asked } = target;
      const source = sources.get(asked.source) ?? openSource(asked, { access, environment, http, emit });
      sources.set(asked.source, source);
      const { revision, selected } = await resolveFromHub(target, { source, emit, signal });
      const { repo, name, id: commit } = revision;
      const files = selected.map((file) => {
        if (file.digest === undefined) throw withoutHash(repo, file.path);
        return lockfileEntry(file, file.digest);
      });
      locks.push({ version: 1, endpoint: access.endpoint, repo, revision: name, commit, files });
    }
    return locks;
  } finally {
    http.close();
  }
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

/** A git blob id is a sha1: where the lock has a sha256 as well, the content must have that too. */
export function requireLockedHashes(lock: Lockfile, path: string, selected: readonly RemoteFile[]): void {
  const manifest = readManifest(path);
  const found = new Map(manifest?.files.map((file) => [file.path, file.sha256]));
  const expected = new Map(lock.files.map((file) => [file.path, file.sha256]));
  for (const { path } of selected) {
    const sha256 = expected.get(path);
    if (sha256 !== undefined && found.get(path) !== sha256) {
      throw lockfileMismatch(lock, `${path} has another sha256 than the lock names`);
    }
  }
}
