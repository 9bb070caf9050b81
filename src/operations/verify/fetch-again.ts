import type { Holding } from '../../model/plan.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { Revision } from '../../model/repo.ts';
import { checkSpace, makePlan } from '../../plan/make-plan.ts';
import type { RunResult } from '../../transfer/transfer-context.ts';
import type { TransferSettings } from '../../transfer/transfer-settings.ts';
import { type ExecuteContext, executePlan, WorkerThreads } from '../download/execute-plan.ts';

/** Files that were found missing or wrong. */
export interface DamagedFiles {
  readonly revision: Revision;
  readonly selected: readonly RemoteFile[];
  /** Paths at which other content exists, which is replaced. */
  readonly changed: ReadonlySet<string>;
}

/** Opens the store and fetches these files. Bytes in parts are kept; existing files are not trusted. */
export async function fetchAgain(
  { revision, selected, changed }: DamagedFiles,
  settings: TransferSettings,
  { run, source, store }: Omit<ExecuteContext, 'workers'>,
): Promise<RunResult> {
  await store.refuseNames(selected, run.signal);
  await store.open(run.signal);
  const { holdings, freeBytes } = await store.survey(selected, run.signal);
  // Records of files that were hashed and found wrong are ignored: they may say that the file is right.
  const corrected = new Map(
    selected.map(({ path }): [string, Holding] => {
      const holding = holdings.get(path);
      const part = holding !== undefined && 'part' in holding ? holding.part : [];
      if (changed.has(path)) return [path, { kind: 'different', part }];
      return [path, part.length > 0 ? { kind: 'part', part } : { kind: 'nothing' }];
    }),
  );
  const plan = makePlan(revision, selected, { holdings: corrected, freeBytes });
  run.emit({ type: 'planned', plan, directory: store.directory });
  const tooLittle = checkSpace(plan);
  if (tooLittle !== undefined) throw tooLittle;
  await using workers = new WorkerThreads(settings, run);
  return await executePlan(plan, settings, { run, source, store, workers });
}
