import type { RepoRef } from '../../model/repo.ts';

/** A repository in a JSON document: `type`, `id`, and `source` unless it is the Hub. */
export function repoJson({ type, source, id }: RepoRef): object {
  return { type, ...(source === undefined ? {} : { source }), id };
}
