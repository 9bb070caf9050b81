import type { Emit } from '../model/event.ts';
import type { Plan } from '../model/plan.ts';
import type { RemoteFile } from '../model/remote-file.ts';
import type { Source } from '../source/source.ts';
import type { Store } from '../store/store.ts';
import { fitDescriptors } from '../transfer/descriptors.ts';
import type { TransportChoice } from '../transfer/io-messages.ts';
import { runPlan } from '../transfer/run-plan.ts';
import type { RunResult } from '../transfer/run-result.ts';
import { ThreadTransport } from '../transfer/thread-transport.ts';
import { ThreadHasher } from '../verify/thread-hasher.ts';
import type { Environment } from './environment.ts';
import type { HubAccess } from './hub-access.ts';

/** How bytes of files are to be carried. */
export interface TransferSettings extends HubAccess {
  /** Upper bound of connections that carry file bytes. */
  readonly connections: number;
  /** Bytes per second, all connections together; undefined for no limit. */
  readonly bytesPerSecond: number | undefined;
  readonly transport: TransportChoice;
}

/** Who takes part in carrying out a plan. */
export interface Parties {
  readonly crew: Crew;
  readonly source: Source;
  readonly store: Store;
  readonly environment: Environment;
  readonly emit: Emit;
  readonly signal: AbortSignal;
  /** Given a function that says what every connection is at. */
  readonly onInspectable?: ((inspect: () => string[]) => void) | undefined;
}

/** The threads of a run. They start when they are needed, or when it is known that they will be. */
export class Crew implements AsyncDisposable {
  readonly hasher: ThreadHasher = new ThreadHasher();
  readonly transport: ThreadTransport;

  constructor(settings: TransferSettings, environment: Environment, emit: Emit) {
    this.transport = openTransport(settings, environment, emit);
  }

  /** A thread takes a tenth of a second to start: time enough while the hub is asked. */
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
export async function carryOut(
  plan: Plan,
  settings: TransferSettings,
  { crew, source, store, environment, emit, signal, onInspectable }: Parties,
): Promise<RunResult> {
  const { connections, waitingFiles } = fitDescriptors(environment.freeDescriptors?.(), settings.connections);
  if (connections < settings.connections) {
    const message = `open files are limited: ${connections} connections instead of ${settings.connections}`;
    emit({ type: 'trace', message });
  }
  return await runPlan(plan, {
    source,
    store,
    hasher: crew.hasher,
    transport: crew.transport,
    connections,
    waitingFiles,
    largeConnections: Math.min(connections, largeConnections(settings)),
    bytesPerSecond: settings.bytesPerSecond,
    retry: settings.retry,
    clock: environment.clock,
    random: environment.random,
    emit,
    signal,
    onInspectable,
  });
}

function openTransport(settings: TransferSettings, environment: Environment, emit: Emit): ThreadTransport {
  const { stallTimeoutMs, transport: choice, bytesPerSecond, network } = settings;
  const { userAgent, processors } = environment;
  return new ThreadTransport({
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
