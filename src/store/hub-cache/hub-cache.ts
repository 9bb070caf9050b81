import { join } from 'node:path';
import { digestOfOid } from '../../model/digest.ts';
import type { RepoRef } from '../../model/repo.ts';
import type { ProcessContext } from '../../system/process-identity.ts';
import type {
  CachedContent,
  CachedContents,
  CachedRepo,
  CachedRevision,
  CentralCache,
} from '../central-cache.ts';
import { readManifest } from '../records/manifest.ts';
import { CachePaths } from './cache-paths.ts';
import { removeRevisions } from './remove-revisions.ts';
import { scanCache, scanRepo } from './scan-cache.ts';

/** A cache in the layout of huggingface_hub. */
export class HubCache implements CentralCache {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  repos(): readonly CachedRepo[] {
    return scanCache(this.#root);
  }

  repo(repo: RepoRef): CachedRepo {
    return scanRepo(new CachePaths(this.#root, repo), repo);
  }

  contents(repo: RepoRef, revisions: readonly CachedRevision[]): CachedContents {
    return cachedContents(new CachePaths(this.#root, repo), revisions);
  }

  async remove(
    repo: RepoRef,
    commits: ReadonlySet<string>,
    lock: ProcessContext,
  ): Promise<readonly string[]> {
    return await removeRevisions(this.#root, repo, commits, lock);
  }
}

/** Every content of these revisions, each once. */
function cachedContents(paths: CachePaths, revisions: readonly CachedRevision[]): CachedContents {
  const contents = new Map<string, CachedContent>();
  for (const { commit, files, path: snapshot } of revisions) {
    const manifest = readManifest(paths.manifest(commit));
    const recorded = new Map(manifest?.files.map((entry) => [entry.path, entry.sha256]));
    for (const { path, size, blob } of files) {
      const name = blob === undefined ? `snapshots/${commit}/${path}` : `blobs/${blob}`;
      const before = contents.get(name);
      const used = [...(before?.used ?? []), `${commit}/${path}`];
      const sha256 = recorded.get(path);
      const digest =
        (blob === undefined ? undefined : digestOfOid(blob)) ??
        (sha256 === undefined ? undefined : { algorithm: 'sha256', hex: sha256 });
      const absolute = blob === undefined ? join(snapshot, ...path.split('/')) : paths.blob(blob);
      contents.set(name, { name, path: absolute, size, digest: before?.digest ?? digest, used });
    }
  }
  const broken = revisions.flatMap((one) => one.broken.map((path) => `snapshots/${one.commit}/${path}`));
  return { contents: [...contents.values()], broken };
}
