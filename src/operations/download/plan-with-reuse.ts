import { HashPool } from '../../hash/hash-pool.ts';
import type { Emit } from '../../model/event.ts';
import type { Plan } from '../../model/plan.ts';
import { planSentence } from '../../model/plan-sentence.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { Revision } from '../../model/repo.ts';
import { checkSpace, makePlan } from '../../plan/make-plan.ts';
import { findLocalCopies, type LocalCopyRoots } from '../../store/local-copies.ts';
import type { Store } from '../../store/store.ts';
import { reuseFiles } from './reuse-files.ts';

/** What is wanted, and the store that it goes to. */
export interface Wanted {
  readonly store: Store;
  readonly revision: Revision;
  readonly selected: readonly RemoteFile[];
  readonly emit: Emit;
  readonly signal: AbortSignal;
  /** Processors that threads may use. */
  readonly processors: number;
}

export interface ReuseChoice {
  /** Go on although the disk looks too small. */
  readonly ignoreSpace: boolean;
  readonly dryRun: boolean;
}

/** A plan that copies what stands elsewhere on this machine; undefined if nothing does. */
export async function planCopies(
  plan: Plan,
  { store, revision, selected, signal }: Wanted,
  places: LocalCopyRoots,
): Promise<Plan | undefined> {
  const missing = plan.files.filter(({ action }) => action === 'transfer').map(({ file }) => file);
  if (missing.length === 0) return undefined;
  const reuse = await findLocalCopies(places, missing, signal);
  if (reuse.size === 0) return undefined;
  return makePlan(revision, selected, await store.survey(selected, signal), { reuse });
}

/** Copies, and returns the plan of what is still to be fetched: what was copied counts as here. A dry run copies nothing. */
export async function copyFirst(
  plan: Plan,
  copying: Plan,
  { store, revision, selected, emit, signal, processors }: Wanted,
  { ignoreSpace, dryRun }: ReuseChoice,
): Promise<Plan> {
  if (dryRun) return copying;
  const tooLittle = ignoreSpace ? undefined : checkSpace(copying);
  // A disk without room for copies may have it for nothing else either: let the plan say so.
  if (tooLittle !== undefined) return plan;
  emit({ type: 'note', message: `the same content is on this machine: ${planSentence(copying)}` });
  await using hasher = new HashPool(processors);
  await reuseFiles(copying, store, hasher, emit, signal);
  return makePlan(revision, selected, await store.survey(selected, signal));
}
