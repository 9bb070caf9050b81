import { HashPool } from '../../hash/hash-pool.ts';
import type { Plan } from '../../model/plan.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { SourceAccess } from '../../source/open-source.ts';
import type { Source } from '../../source/source.ts';
import type { Store } from '../../store/store.ts';
import type { RunContext } from '../../system/run-context.ts';
import { runPlan } from '../../transfer/execute-plan.ts';
import { fitDescriptors } from '../../transfer/scheduling/descriptors.ts';
import type { RunResult, TransferContext } from '../../transfer/transfer-context.ts';
import type { TransportChoice } from '../../transfer/transport/worker/transport-messages.ts';
import { maxIoWorkers } from '../../transfer/transport/worker/worker-assignment.ts';
import { WorkerTransport } from '../../transfer/transport/worker/worker-transport.ts';

/** Worker threads of a run: exactly so many are used where there is work for them; undefined where the processors decide. */
export interface WorkerCounts {
  /** Threads that hash files while they are written. */
  readonly hash?: number | undefined;
  /** Threads that receive and write. */
  readonly io?: number | undefined;
}

/** How bytes of files are transferred. */
export interface TransferSettings extends SourceAccess {
  /** Upper bound of connections that carry file bytes. */
  readonly connections: number;
  /** Bytes per second, all connections together; undefined for no limit. */
  readonly bytesPerSecond: number | undefined;
  readonly transport: TransportChoice;
  /** Threads instead of those that follow from the processors. */
  readonly workers?: WorkerCounts | undefined;
  /** Called once, when the transfer starts, with a function that describes what every connection is doing. */
  readonly onStatus?: ((inspect: () => string[]) => void) | undefined;
}

/** With what a plan is carried out. */
export interface ExecuteContext {
  readonly run: RunContext;
  readonly source: Pick<Source, 'locate'>;
  readonly store: Store;
  readonly workers: WorkerThreads;
  readonly onCopyRefused?: TransferContext['onCopyRefused'];
  /** Milliseconds that the source took for an answer; undefined if it was not asked. */
  readonly hubWaitMs?: number | undefined;
}

/** The threads of a run. They start with the first work, or at `warmUp`. */
export class WorkerThreads implements AsyncDisposable {
  readonly hasher: HashPool;
  readonly transport: WorkerTransport;

  constructor(settings: TransferSettings, run: RunContext) {
    const followers = settings.workers?.hash;
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

/** Transfers and verifies what a plan says. */
export async function executePlan(
  plan: Plan,
  settings: TransferSettings,
  { run, source, store, workers, hubWaitMs, onCopyRefused }: ExecuteContext,
): Promise<RunResult> {
  const { environment, emit, signal } = run;
  const { connections, waitingFiles } = fitDescriptors(environment.freeDescriptors?.(), settings.connections);
  if (connections < settings.connections) {
    const message = `open files are limited: ${connections} connections instead of ${settings.connections}`;
    emit({ type: 'trace', message });
  }
  return await runPlan(plan, {
    source,
    store,
    hasher: workers.hasher,
    transport: workers.transport,
    connections,
    waitingFiles,
    largeConnections: Math.min(connections, largeConnections(settings)),
    hubWaitMs,
    bytesPerSecond: settings.bytesPerSecond,
    // The hub was reached, so an unreachable storage host is retried as often as other failures.
    retry: { ...settings.retry, unreachedTries: settings.retry.tries },
    clock: environment.clock,
    random: environment.random,
    emit,
    signal,
    onStatus: settings.onStatus,
    onCopyRefused,
  });
}

function openTransport(settings: TransferSettings, { environment, emit }: RunContext): WorkerTransport {
  const { stallTimeoutMs, transport: choice, bytesPerSecond, network, workers } = settings;
  const { userAgent, processors } = environment;
  return new WorkerTransport({
    userAgent,
    stallTimeoutMs,
    choice,
    bytesPerSecond,
    network,
    onContact: (contact) => emit({ type: 'contact', ...contact }),
    // Two workers cannot share one rate limit.
    maxWorkers: bytesPerSecond === undefined ? (workers?.io ?? maxIoWorkers(processors)) : 1,
    startsAll: workers?.io !== undefined,
    trace: (message) => emit({ type: 'trace', message }),
  });
}

/** Expected bytes per second of one connection. */
const BYTES_PER_CONNECTION = 4_000_000;

/**
 * Under a rate limit a few connections are enough, and each costs some megabytes that the system receives ahead of the
 * limit.
 */
function largeConnections({ connections, bytesPerSecond }: TransferSettings): number {
  if (bytesPerSecond === undefined) return connections;
  return Math.min(connections, Math.ceil(bytesPerSecond / BYTES_PER_CONNECTION) + 1);
}
