import type { Plan } from '../model/plan.ts';
import { Connections } from './connections.ts';
import { FilesInTransfer } from './files-in-transfer.ts';
import { LocalCopies } from './local-copies.ts';
import { RunState } from './run-state.ts';
import type { RunResult, TransferContext } from './transfer-context.ts';

/**
 * Executes a plan: connections fetch segments of all files, local pieces are copied beside them, and complete files
 * are verified and renamed in the background. Rejects with the first failure that concerns more than one file, or
 * with the signal's reason. What arrived stays on disk in every case.
 */
export async function runPlan(plan: Plan, context: TransferContext): Promise<RunResult> {
  const run = new RunState(context);
  await using files = new FilesInTransfer(run);
  const connections = new Connections(plan.revision, run, files);
  const copies = new LocalCopies(run, files);
  context.onStatus?.(() => connections.describe());
  try {
    // Largest files first.
    const bySize = [...plan.files].sort((left, right) => right.file.size - left.file.size);
    for (const planned of bySize) files.add(planned);
    files.askPeers(plan.revision);
    await Promise.all([connections.run(), copies.run()]);
  } finally {
    run.peers?.end();
    await run.background.settled();
  }
  run.signal.throwIfAborted();
  const { fetchedBytes, peerBytes, copiedBytes, failures } = files;
  return { fetchedBytes, peerBytes, copiedBytes, wireBytes: connections.wireBytes, failures };
}
