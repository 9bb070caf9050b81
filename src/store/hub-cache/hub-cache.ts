import type { RepoRef } from '../../model/repo.ts';
import type { ProcessContext } from '../../system/process-identity.ts';
import type { CachedContents, CachedRepo, CachedRevision, CentralCache } from '../central-cache.ts';
import { CachePaths } from './cache-paths.ts';
import { cachedContents } from './cached-contents.ts';
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
