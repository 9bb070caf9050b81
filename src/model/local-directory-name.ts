import type { RepoRef } from './repo.ts';
import { windowsSafeName } from './windows-name.ts';

const DIGEST_DIGITS = 12;

/**
 * The default directory of a revision: `NAME` for the default one (undefined), `NAME_REV` for any other, so that branches
 * do not mix; of a digest 12 digits. It is the same on every system: characters that Windows forbids become `_`, as `/` does.
 */
export function localDirectoryName(repo: RepoRef, revision: string | undefined): string {
  const name = repo.id.slice(repo.id.lastIndexOf('/') + 1);
  const short = revision?.replace(/^sha256:([0-9a-f]+)$/, (_, hex: string) => hex.slice(0, DIGEST_DIGITS));
  return windowsSafeName(short === undefined ? name : `${name}_${short}`);
}
