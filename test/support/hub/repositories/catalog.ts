import { gitFile } from './file.ts';
import { Repository, type RepositoryDescription, type RepositoryType } from './repository.ts';

/** What a name leads to: the repository itself, or the present name of one that was renamed. */
export type Found = { readonly repository: Repository } | { readonly renamedTo: Repository };

export class Catalog {
  readonly #repositories: Repository[] = [];

  add(description: RepositoryDescription): Repository {
    const repository = new Repository(description);
    this.#repositories.push(repository);
    return repository;
  }

  find(type: RepositoryType, id: string): Found | undefined {
    const candidates = this.#repositories.filter((repository) => repository.type === type);
    const exact = candidates.find((repository) => repository.id === id);
    if (exact !== undefined) return { repository: exact };
    // Names are found whatever their case, but only under one spelling (protocol 2.4).
    const renamed = candidates.find((repository) =>
      [repository.id, ...repository.formerly].some((name) => name.toLowerCase() === id.toLowerCase()),
    );
    return renamed === undefined ? undefined : { renamedTo: renamed };
  }

  get(id: string, type: RepositoryType = 'model'): Repository {
    const found = this.find(type, id);
    if (found === undefined) throw new Error(`the hub has no ${type} ${id}`);
    return 'repository' in found ? found.repository : found.renamedTo;
  }

  /** In every repository that has the branch: a push changes nothing but adds a file, so that the commit is another. */
  changeBranch(branch: string, change: 'moves' | 'vanishes'): void {
    for (const repository of this.#repositories) {
      const commit = repository.findCommit(branch);
      if (commit === undefined) continue;
      if (change === 'vanishes') repository.deleteBranch(branch);
      else repository.setBranch(branch, [...commit.files.values(), gitFile('pushed.txt', 'meanwhile\n')]);
    }
  }

  all(): readonly Repository[] {
    return this.#repositories;
  }
}
