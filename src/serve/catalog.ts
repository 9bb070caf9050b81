import type { RepoRef } from '../model/repo.ts';
import { mayBeCommit } from '../model/revision-id.ts';
import type { HeldRevision, HeldRevisions, UnfinishedRevision } from '../store/held-revision.ts';
import type { Clock } from '../system/clock.ts';

/** What a request named, or the first part of it that is not here. */
export type Found =
  | { readonly kind: 'revision'; readonly revision: HeldRevision }
  | { readonly kind: 'no-repo' }
  | { readonly kind: 'no-revision' };

/** A name of a repository, and the commit that it leads to. */
export interface ServedRef {
  readonly name: string;
  readonly commit: string;
}

/** How long an answer of the records is used again. A change on disk must be seen within 5 seconds. */
const MAX_AGE_MS = 2000;
/** The same of revisions that are being fetched: machines wait for what arrives. */
const MAX_UNFINISHED_AGE_MS = 200;
/** Repositories whose revisions are remembered: names come from strangers. */
const MAX_REPOS = 1000;
/** The Hub resolves it to the default branch. */
const HEAD = 'HEAD';
const DEFAULT_BRANCH = 'main';

interface Remembered<Revision extends HeldRevision> {
  readonly readAt: number;
  readonly held: readonly Revision[];
}

/** Everything that is served, over any number of directories and caches. */
export class Catalog {
  readonly #sources: readonly HeldRevisions[];
  readonly #clock: Clock;
  readonly #revisions = new Map<string, Remembered<HeldRevision>>();
  readonly #unfinished = new Map<string, Remembered<UnfinishedRevision>>();

  constructor(sources: readonly HeldRevisions[], clock: Clock) {
    this.#sources = sources;
    this.#clock = clock;
  }

  find(repo: RepoRef, name: string): Found {
    const held = this.#of(repo);
    if (held.length === 0) return { kind: 'no-repo' };
    const revision = chooseRevision(held, name);
    return revision === undefined ? { kind: 'no-revision' } : { kind: 'revision', revision };
  }

  /** What a run fetches of a commit, by its 40 digits. Only for clients that ask for what is unfinished. */
  unfinished(repo: RepoRef, commit: string): UnfinishedRevision | undefined {
    if (!isCommit(commit)) return undefined;
    const key = keyOf(repo);
    const now = this.#clock.monotonic();
    const known = this.#unfinished.get(key);
    const isFresh = known !== undefined && now - known.readAt < MAX_UNFINISHED_AGE_MS;
    const held = isFresh ? known.held : this.#sources.flatMap((source) => source.unfinished(repo));
    if (!isFresh) remember(this.#unfinished, key, { readAt: now, held });
    return held.find((one) => one.commit === commit);
  }

  /** The names of a repository, each once; undefined if the repository is not here. */
  refs(repo: RepoRef): readonly ServedRef[] | undefined {
    const held = this.#of(repo);
    if (held.length === 0) return undefined;
    const names = [...new Set(held.flatMap((one) => one.names))].toSorted();
    return names
      .filter((name) => !isCommit(name))
      .flatMap((name) => {
        const revision = chooseRevision(held, name);
        return revision === undefined ? [] : [{ name, commit: revision.commit }];
      });
  }

  /** Every revision that is here. Reads all records. */
  all(): readonly HeldRevision[] {
    const repos = this.#sources.flatMap((source) => source.repos());
    const distinct = new Map(repos.map((repo) => [keyOf(repo), repo]));
    return [...distinct.values()].flatMap((repo) => this.#of(repo));
  }

  #of(repo: RepoRef): readonly HeldRevision[] {
    const key = keyOf(repo);
    const now = this.#clock.monotonic();
    const known = this.#revisions.get(key);
    if (known !== undefined && now - known.readAt < MAX_AGE_MS) return known.held;
    const held = this.#sources.flatMap((source) => source.of(repo));
    remember(this.#revisions, key, { readAt: now, held });
    return held;
  }
}

/**
 * The revision that a name means: a branch, tag or other name, `HEAD`, a commit, or the beginning of one that fits one commit
 * only. Of several with the same name, the one that was recorded last.
 */
export function chooseRevision(held: readonly HeldRevision[], name: string): HeldRevision | undefined {
  const wanted = name === HEAD ? DEFAULT_BRANCH : name;
  const named = latest(held.filter(({ names }) => names.includes(wanted)));
  if (named !== undefined || !mayBeCommit(wanted)) return named;
  const matching = held.filter(({ commit }) => commit.startsWith(wanted));
  const commits = new Set(matching.map(({ commit }) => commit));
  return commits.size === 1 ? latest(matching) : undefined;
}

function remember<Value>(map: Map<string, Value>, key: string, value: Value): void {
  if (map.size >= MAX_REPOS) map.clear();
  map.set(key, value);
}

function latest(held: readonly HeldRevision[]): HeldRevision | undefined {
  return held.reduce<HeldRevision | undefined>(
    (best, one) => (best === undefined || one.recordedMs > best.recordedMs ? one : best),
    undefined,
  );
}

function isCommit(name: string): boolean {
  return /^[0-9a-f]{40}$/.test(name);
}

/** The Hub ignores case in names. */
function keyOf({ type, id }: RepoRef): string {
  return `${type}/${id.toLowerCase()}`;
}
