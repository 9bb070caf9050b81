import { FetchError } from '../../model/error.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import { type RepoRef, type Revision, repoPath } from '../../model/repo.ts';
import { collectListing } from '../../source/collect-listing.ts';
import { can } from '../../source/source.ts';
import { pickRevision } from './resolve-quantisation.ts';
import {
  type Resolution,
  type ResolveContext,
  type Resolver,
  type RevisionRequest,
  selectFromListing,
} from './resolver.ts';

/**
 * Called as soon as the revision is known, while it is listed; with the quantisation that the name stands for. It is
 * not waited for, and a failure has no effect.
 */
export type OnPinned = (revision: Revision, quantisation: string | undefined) => Promise<void>;

/** Asks the source for the revision and its files. */
export class SourceResolver implements Resolver {
  readonly #request: RevisionRequest;

  readonly #onPinned: OnPinned;

  constructor(request: RevisionRequest, onPinned: OnPinned = async () => {}) {
    this.#request = request;
    this.#onPinned = onPinned;
  }

  async resolve(context: ResolveContext): Promise<Resolution> {
    const { source, run } = context;
    const list = (pinned: Revision) => collectListing(source, pinned, run);
    const { revision, quantisation } = await pickRevision(this.#request, source, list, run.signal);
    run.emit({ type: 'resolved', asked: this.#request.repo, revision });
    const listed = list(revision);
    this.#onPinned(revision, quantisation).catch(() => {});
    const files = await listed;
    let selected: readonly RemoteFile[];
    try {
      selected = selectFromListing(files, { ...this.#request, quantisation });
    } catch (thrown) {
      throw await this.#explainNames(thrown, revision.repo, context);
    }
    refuseUnfit(revision.repo, selected);
    return { revision, selected, listing: async () => ({ files, complete: true }) };
  }

  /**
   * A better hint for names of files that do not exist: other tools take `REPO BRANCH` and `REPO REPO`. Lists the
   * branches only in that case. Returns other errors unchanged.
   */
  async #explainNames(thrown: unknown, repo: RepoRef, { source, run }: ResolveContext): Promise<unknown> {
    const { revision, selection } = this.#request;
    const { names = [] } = selection;
    if (!(thrown instanceof FetchError) || thrown.code !== 'NOT_FOUND' || names.length === 0) return thrown;
    const missing = names.filter((name) => thrown.message.includes(name));
    const refs = can(source, 'branches') ? await source.branches(repo, run.signal).catch(() => []) : [];
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
}

/** Throws NOT_FOUND for files that the source lists but cannot provide. */
export function refuseUnfit(repo: RepoRef, selected: readonly RemoteFile[]): void {
  const unfit = selected.filter((file) => file.unfit !== undefined);
  const [first] = unfit;
  if (first === undefined) return;
  const more = unfit.length > 1 ? `, and ${unfit.length - 1} more such files` : '';
  throw new FetchError(
    'NOT_FOUND',
    `${first.path} of ${repoPath(repo)} cannot be fetched: ${first.unfit}${more}`,
    {
      hint: `Name the other files, or leave these out: --exclude ${JSON.stringify(first.path)}.`,
    },
  );
}
