import type { Plan } from '../../model/plan.ts';
import type { Listing, RemoteFile } from '../../model/remote-file.ts';
import type { RepoRef, Revision } from '../../model/repo.ts';
import { type Selection, selectFiles } from '../../plan/select-files.ts';
import { applyWeightsPolicy, type WeightsPolicy } from '../../plan/weights-policy.ts';
import type { Source } from '../../source/source.ts';
import type { RunContext } from '../../system/run-context.ts';

/** Which files of a revision are selected. */
export interface FileSelection {
  readonly selection: Selection;
  /** A GGUF quantisation of the revision: only its files, and those without weights. */
  readonly quantisation?: string | undefined;
  /** Which of several copies of the same weights; all if left out. */
  readonly weights?: WeightsPolicy;
}

/** A revision by its name. */
export interface RevisionName {
  readonly repo: RepoRef;
  /** Branch, tag, `refs/pr/N`, or commit. */
  readonly revision: string;
  /** The revision was written after a colon, so it may be a GGUF quantisation of `main`. */
  readonly mayBeQuantisation?: boolean;
  /** Written after a revision: `REPO@REV:Q4_K_M`. */
  readonly quantisation?: string | undefined;
}

/** A revision by its name, and which of its files are selected. */
export interface RevisionRequest extends RevisionName, FileSelection {}

/** A request pinned to an immutable revision, with its files. */
export interface Resolution {
  readonly revision: Revision;
  /** Files that the directory will hold. */
  readonly selected: readonly RemoteFile[];
  /** Throws INTEGRITY if the source lists other files than a lockfile names. Call it once the plan is known, before anything is written. */
  listing(plan: Plan): Promise<Listing>;
}

export interface ResolveContext {
  readonly source: Source;
  readonly run: RunContext;
}

/**
 * Pins a revision and selects its files: by asking the source, from a lockfile, or offline from local records. Emits
 * `resolved`. Rejects with NOT_FOUND, ACCESS, NETWORK, or INTEGRITY for a lockfile that does not match.
 */
export interface Resolver {
  resolve(context: ResolveContext): Promise<Resolution>;
}

/** Throws NOT_FOUND, naming the names and patterns that match no file. */
export function selectFromListing(
  files: readonly RemoteFile[],
  { selection, quantisation, weights = 'all' }: FileSelection,
): readonly RemoteFile[] {
  return selectFiles(applyWeightsPolicy(files, weights, quantisation), selection);
}
