import { HashPool } from '../../hash/hash-pool.ts';
import type { Plan } from '../../model/plan.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { RunContext } from '../../system/run-context.ts';
import { runPlan } from '../../transfer/execute-plan.ts';
import type { RunResult, TransferContext } from '../../transfer/transfer-context.ts';
import { type TransferSettings, transferLimits } from '../../transfer/transfer-settings.ts';
import { maxIoWorkers } from '../../transfer/transport/worker/worker-assignment.ts';
import { WorkerTransport } from '../../transfer/transport/worker/worker-transport.ts';

/** What a plan is executed with. */
export interface ExecuteContext
  extends Pick<
    TransferContext,
    'source' | 'peers' | 'shared' | 'store' | 'hubWaitMs' | 'onStatus' | 'onCopyRefused' | 'onChunks'
  > {
  readonly run: RunContext;
  readonly workers: WorkerThreads;
}

/** The worker threads of a run. They start with the first work, or at `warmUp`. */
export class WorkerThreads implements AsyncDisposable {
  readonly hasher: HashPool;
  readonly transport: WorkerTransport;

  constructor(settings: TransferSettings, run: RunContext) {
    const followers = settings.workers.hash;
    const forced = followers === undefined ? {} : { followers, startsAll: true };
    this.hasher = new HashPool(run.environment.processors, forced);
    this.transport = openTransport(settings, run);
  }

  /** Starts an I/O thread (a tenth of a second) before it is needed. */
  warmUp(): void {
    this.transport.warmUp();
  }

  /** Starts hash threads for files that will be fetched. */
  expect(files: readonly RemoteFile[]): void {
    for (const { size } of files) this.hasher.expect(size);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.transport[Symbol.asyncDispose](), this.hasher[Symbol.asyncDispose]()]);
  }
}

/** Transfers and verifies what the plan says. */
export async function executePlan(
  plan: Plan,
  settings: TransferSettings,
  { run, workers, ...context }: ExecuteContext,
): Promise<RunResult> {
  const limits = transferLimits(settings, run.environment.freeDescriptors?.());
  if (limits.connections < settings.connections) {
    const message = `open files are limited: ${limits.connections} connections instead of ${settings.connections}`;
    run.emit({ type: 'trace', message });
  }
  const { hasher, transport } = workers;
  return await runPlan(plan, { ...context, ...run, hasher, transport, settings, limits });
}

function openTransport(settings: TransferSettings, { environment, emit }: RunContext): WorkerTransport {
  const { bytesPerSecond, workers } = settings;
  const { userAgent, processors } = environment;
  // Two workers cannot share one rate limit.
  const unlessLimited = (count: number) => (bytesPerSecond === undefined ? count : 1);
  return new WorkerTransport({
    settings,
    userAgent,
    maxWorkers: unlessLimited(workers.io ?? maxIoWorkers(processors)),
    // The hash of the whole file, which has the other processor, waits for what they unpack.
    maxChunkWorkers: unlessLimited(Math.min(processors, workers.io ?? 2)),
    startsAll: workers.io !== undefined,
    onContact: (contact) => emit({ type: 'contact', ...contact }),
    trace: (message) => emit({ type: 'trace', message }),
  });
}
