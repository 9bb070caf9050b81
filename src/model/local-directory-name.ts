import type { RepoRef } from './repo.ts';
import { windowsSafeName } from './windows-name.ts';

/**
 * The default directory of a revision: `NAME` for `main`, `NAME_REV` for any other, so that branches do not mix. It is
 * the same on every system: characters that Windows forbids become `_`, as `/` does.
 */
export function localDirectoryName(repo: RepoRef, revision: string | undefined): string {
  const name = repo.id.slice(repo.id.lastIndexOf('/') + 1);
  return windowsSafeName(revision === undefined || revision === 'main' ? name : `${name}_${revision}`);
}
