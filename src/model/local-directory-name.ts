import type { RepoRef } from './repo.ts';
import { windowsSafeName } from './windows-name.ts';

/**
 * The folder that a revision goes into when the user names none: `NAME` for `main`, `NAME_REV` for
 * anything else, so that two branches do not mix. The same on every system: what Windows cannot have
 * becomes `_` everywhere, as `/` does.
 */
export function localDirectoryName(repo: RepoRef, revision: string | undefined): string {
  const name = repo.id.slice(repo.id.lastIndexOf('/') + 1);
  return windowsSafeName(revision === undefined || revision === 'main' ? name : `${name}_${revision}`);
}
