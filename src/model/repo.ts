/** Kinds of repositories of the Hub. */
export type RepoType = 'model' | 'dataset' | 'space';

/** A repository: `{type: 'model', id: 'TheBloke/Mistral-7B-Instruct-v0.1-GPTQ'}`. */
export interface RepoRef {
  /** The kind of source that has it; the Hub if left out. */
  readonly source?: string | undefined;
  /** Kind of the repository. */
  readonly type: RepoType;
  /** As its source names it. On the Hub `OWNER/NAME`, or `NAME` alone for the oldest repositories. */
  readonly id: string;
}

/** A repository as files and JSON have it: `source` is left out for the Hub. */
export function repoRecord({ source, type, id }: RepoRef): RepoRef {
  return { type, ...(source === undefined ? {} : { source }), id };
}

/** Whether two names refer to the same repository. The Hub ignores case in names. */
export function isSameRepo(one: RepoRef, other: RepoRef): boolean {
  return (
    one.source === other.source && one.type === other.type && one.id.toLowerCase() === other.id.toLowerCase()
  );
}

/** A branch, tag or commit, pinned to an immutable id. */
export interface Revision {
  /** The repository under its current name, which differs from the requested one after a rename. */
  readonly repo: RepoRef;
  /** The requested name: `main`, `gptq-8bit-32g-actorder_True`, `refs/pr/1`, a commit. */
  readonly name: string;
  /**
   * Opaque: the id that the source pins the revision to. On the Hub a commit, 40 lower-case hex digits; `sha256:…` in
   * a registry.
   */
  readonly id: string;
  /** Whether the files need an accepted licence. Then a listing does not prove that they can be fetched. */
  readonly gated: boolean;
  /** ISO date of the commit, if the source provides it. */
  readonly date?: string | undefined;
}

/** A revision whose id is already known: from a record, or from the list of branches. */
export function pinnedRevision(repo: RepoRef, name: string, id: string): Revision {
  return { repo, name, id, gated: false };
}

/** A branch or tag. */
export interface NamedRef {
  readonly kind: 'branch' | 'tag';
  readonly name: string;
  /** What it points to now; undefined where the list of the source does not say it: `resolve` does. */
  readonly id: string | undefined;
}

/** The host and namespace that Ollama omits from names. */
const OLLAMA_DEFAULTS = /^registry\.ollama\.ai\/(?:library\/)?/;

/**
 * `TheBloke/x` for a model, `datasets/owner/x`, `spaces/owner/x`, as in URLs of the Hub; `ollama://mixtral`,
 * `oci://HOST/x` for other sources. The command line understands it.
 */
export function repoPath({ source, type, id }: RepoRef): string {
  if (source !== undefined && source !== 'hub')
    return `${source}://${source === 'ollama' ? id.replace(OLLAMA_DEFAULTS, '') : id}`;
  return type === 'model' ? id : `${type}s/${id}`;
}
