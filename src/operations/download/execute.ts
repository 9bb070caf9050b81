import { HashPool } from '../../hash/hash-pool.ts';
import type { Emit } from '../../model/event.ts';
import type { Plan } from '../../model/plan.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { SourceAccess } from '../../source/open-source.ts';
import type { Source } from '../../source/source.ts';
import type { Store } from '../../store/store.ts';
import type { Environment } from '../../system/environment.ts';
import { runPlan } from '../../transfer/execute-plan.ts';
import { fitDescriptors } from '../../transfer/scheduling/descriptors.ts';
import type { RunResult } from '../../transfer/transfer-result.ts';
import type { TransportChoice } from '../../transfer/transport/worker/transport-messages.ts';
import { WorkerTransport } from '../../transfer/transport/worker/worker-transport.ts';

/** How bytes of files are to be carried. */
export interface TransferSettings extends SourceAccess {
  /** Upper bound of connections that carry file bytes. */
  readonly connections: number;
  /** Bytes per second, all connections together; undefined for no limit. */
  readonly bytesPerSecond: number | undefined;
  readonly transport: TransportChoice;
}

/** Who takes part in carrying out a plan. */
export interface ExecuteContext {
  readonly workers: WorkerThreads;
  readonly source: Pick<Source, 'locate'>;
  readonly store: Store;
  readonly environment: Environment;
  readonly emit: Emit;
  readonly signal: AbortSignal;
  /** Milliseconds that the source took for an answer; undefined if it was not asked. */
  readonly hubWaitMs?: number | undefined;
  /** Given a function that says what every connection is at. */
  readonly onStatus?: ((inspect: () => string[]) => void) | undefined;
}

/** The threads of a run. They start when they are needed, or when it is known that they will be. */
export class WorkerThreads implements AsyncDisposable {
  readonly hasher: HashPool;
  readonly transport: WorkerTransport;

  constructor(settings: TransferSettings, environment: Environment, emit: Emit) {
    this.hasher = new HashPool(environment.processors);
    this.transport = openTransport(settings, environment, emit);
  }

  /** Starts a thread (a tenth of a second) while the hub resolves. */
  warmUp(): void {
    this.transport.warmUp();
  }

  /** These files will be fetched. */
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
  { workers, source, store, environment, emit, signal, hubWaitMs, onStatus }: ExecuteContext,
): Promise<RunResult> {
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
    onStatus,
  });
}

function openTransport(settings: TransferSettings, environment: Environment, emit: Emit): WorkerTransport {
  const { stallTimeoutMs, transport: choice, bytesPerSecond, network } = settings;
  const { userAgent, processors } = environment;
  return new WorkerTransport({
    userAgent,
    stallTimeoutMs,
    choice,
    bytesPerSecond,
    network,
    onContact: (contact) => emit({ type: 'contact', ...contact }),
    // Two threads could not share one limit. Where the hash has the only other processor, a second one would
    // only compete: both wait for the same lock of the file.
    maxThreads: processors > 2 && bytesPerSecond === undefined ? 2 : 1,
    trace: (message) => emit({ type: 'trace', message }),
  });
}

/** What one connection can be expected to bring in a second. */
const BYTES_PER_CONNECTION = 4_000_000;

/**
 * Under a limit, a few connections are enough; of each the system takes in some megabytes that nobody has
 * asked it for yet.
 */
function largeConnections({ connections, bytesPerSecond }: TransferSettings): number {
  if (bytesPerSecond === undefined) return connections;
  return Math.min(connections, Math.ceil(bytesPerSecond / BYTES_PER_CONNECTION) + 1);
}
