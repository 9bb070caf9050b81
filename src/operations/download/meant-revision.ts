import { FetchError } from '../../model/error.ts';
import { type RepoRef, repoPath } from '../../model/repo.ts';
import { can, type Source } from '../../source/source.ts';

/**
 * A better hint for words behind the repository that name no file: `fetch REPO BRANCH` and `fetch REPO REPO` are what
 * other tools take. Asks for the branches only then. Returns the error as it came where neither is meant.
 */
export async function explainNames(
  thrown: unknown,
  {
    repo,
    revision,
    names,
  }: { readonly repo: RepoRef; readonly revision: string; readonly names: readonly string[] },
  source: Source,
  signal: AbortSignal,
): Promise<unknown> {
  if (!(thrown instanceof FetchError) || thrown.code !== 'NOT_FOUND' || names.length === 0) return thrown;
  const missing = names.filter((name) => thrown.message.includes(name));
  const refs = can(source, 'branches') ? await source.branches(repo, signal).catch(() => []) : [];
  const branch = missing.find((name) => name === revision || refs.some((ref) => ref.name === name));
  const other = missing.find((name) => /^[\w.-]+\/[\w-][\w.-]*$/.test(name) && !/\.\w{1,5}$/.test(name));
  const hint =
    branch !== undefined
      ? `A branch has that name: fetch ${repoPath(repo)}:${branch}.`
      : other !== undefined
        ? `One repository at a time: run fetch ${other} as well, or lock both: fetch lock ${repoPath(repo)} ${other}.`
        : undefined;
  if (hint === undefined) return thrown;
  const { code, message, status } = thrown;
  return new FetchError(code, message, { hint, cause: thrown, status });
}
