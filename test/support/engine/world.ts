import { FetchError } from '../../../src/model/error.ts';
import type { TransferEvent } from '../../../src/model/event.ts';
import type { RemoteFile } from '../../../src/model/remote-file.ts';
import { createEnvironment } from '../../../src/operations/create-environment.ts';
import { runSettings } from '../../../src/operations/options.ts';
import { type LocalRange, makePlan, withLocalCopies } from '../../../src/plan/make-plan.ts';
import type { Random } from '../../../src/system/clock.ts';
import type { RetryPolicy } from '../../../src/system/retry.ts';
import { runPlan } from '../../../src/transfer/execute-plan.ts';
import type { RunResult, TransferContext } from '../../../src/transfer/transfer-context.ts';
import { ManualClock } from '../manual-clock.ts';
import { revision } from '../store-kit.ts';
import { Addresses } from './addresses.ts';
import { Content } from './content.ts';
import { EngineRun } from './engine-run.ts';
import { type Fault, FaultScript } from './fault.ts';
import { Host, type HostTraits } from './host.ts';
import { type Crash, MemoryDisk } from './memory-disk.ts';
import { MemoryHasher } from './memory-hasher.ts';
import { MemorySource } from './memory-source.ts';
import { MemoryStore } from './memory-store.ts';
import { MemoryTransport } from './memory-transport.ts';
import { seeded } from './seeded.ts';

const HOUR_MS = 3_600_000;
/** No run may take longer, whatever the servers do. Virtual. */
const MAX_RUN_MS = 2 * HOUR_MS;
/** What is aborted has ended by then. Virtual. */
const ABORT_MS = 100;

/** As the program's own, in less virtual time. */
const SETTINGS = runSettings({}).transfer;
const ENVIRONMENT = createEnvironment();

export const RETRY: RetryPolicy = {
  tries: 4,
  unreachedTries: 3,
  baseDelayMs: 200,
  maxDelayMs: 2000,
  maxServerDelayMs: 10_000,
  quotaWindowMs: 5000,
};

export interface WorldOptions {
  /** Bytes, by path. */
  readonly files: Readonly<Record<string, number>>;
  readonly seed?: number;
  readonly connections?: number;
  readonly largeConnections?: number;
  /** By name; one that does as it should if left out. */
  readonly hosts?: Readonly<Record<string, Partial<HostTraits>>>;
  readonly faults?: readonly Fault[];
  readonly retry?: Partial<RetryPolicy>;
  /** By path: what the plan believes of other files on this machine. */
  readonly local?: Readonly<Record<string, readonly LocalRange[]>>;
  readonly onCopyRefused?: TransferContext['onCopyRefused'];
}

/** How a run is cut off: after so many rings of the clock, each of which is one thing that happens. */
export interface CutOff {
  readonly after: number;
  readonly by: Crash | 'abort';
}

/** A revision, the servers that have it, and the disk where it goes: all in memory, in virtual time. */
export class World {
  readonly clock: ManualClock = new ManualClock();
  readonly addresses: Addresses;
  readonly source: MemorySource;
  readonly hosts: ReadonlyMap<string, Host>;
  readonly files: readonly RemoteFile[];
  disk: MemoryDisk = new MemoryDisk();
  readonly #options: WorldOptions;
  readonly #script = new FaultScript();
  readonly #random: Random;

  constructor(options: WorldOptions) {
    const { files, faults = [], hosts = { cdn: {} }, seed = 1 } = options;
    this.#options = options;
    this.#random = seeded(seed);
    this.addresses = new Addresses(this.clock);
    this.hosts = new Map(Object.entries(hosts).map(([name, traits]) => [name, new Host(traits)]));
    this.source = new MemorySource([...this.hosts.keys()], this.addresses, this.clock);
    this.files = Object.entries(files).map(([path, size]) => {
      const { sha256: hex } = Content.right(path, size).digests();
      return { path, size, digest: { algorithm: 'sha256', hex } };
    });
    for (const fault of faults) this.fault(fault);
  }

  fault(fault: Fault): void {
    this.#script.add(fault);
  }

  /** Calls back at a moment of the run to come. Milliseconds from now. */
  at(delayMs: number, callback: () => void): void {
    this.clock.after(delayMs, callback);
  }

  /** Every byte of the revision is there, under the final names, and nothing else. */
  get complete(): boolean {
    return this.files.every(({ path }) => this.disk.finals.get(path)?.isRight === true);
  }

  /** Plans and carries out the plan, and checks what must hold of every run. */
  async run(cutOff?: CutOff): Promise<EngineRun> {
    const { connections = 6, retry } = this.#options;
    const { largeConnections = connections } = this.#options;
    const { clock, disk, source, hosts, addresses } = this;
    for (const host of hosts.values()) host.connections = 0;
    const network = { hosts, addresses, source, script: this.#script, clock, random: this.#random };
    const transport = new MemoryTransport(network, disk);
    const store = new MemoryStore(disk, clock);
    const fetching = makePlan(revision(), this.files, await store.survey(this.files));
    const plan = withLocalCopies(fetching, new Map(Object.entries(this.#options.local ?? {})));
    const hasher = new MemoryHasher(disk, clock, this.#random);
    const events: TransferEvent[] = [];
    const stop = new AbortController();
    const began = clock.monotonic();
    let result: RunResult | undefined;
    let failure: unknown;
    const work = runPlan(plan, {
      source,
      store,
      hasher,
      transport,
      settings: { ...SETTINGS, connections, retry: { ...RETRY, ...retry } },
      limits: { connections, largeConnections, waitingFiles: 64 },
      environment: { ...ENVIRONMENT, clock, random: this.#random },
      emit: (event) => events.push(event),
      signal: stop.signal,
      onCopyRefused: this.#options.onCopyRefused,
    }).then(
      (value) => {
        result = value;
      },
      (error) => {
        failure = error;
      },
    );
    let end = await clock.runUntilEnd(work, {
      untilMs: began + MAX_RUN_MS,
      rings: cutOff?.after ?? Number.POSITIVE_INFINITY,
    });
    if (end === 'stopped' && cutOff?.by === 'abort') {
      stop.abort(new FetchError('ABORTED', 'interrupted'));
      end = await clock.runUntilEnd(work, { untilMs: clock.monotonic() + ABORT_MS });
    } else if (end === 'stopped' && cutOff !== undefined) {
      clock.forget();
      this.disk = disk.afterCrash(cutOff.by === 'power cut' ? 'power cut' : 'kill', this.#random);
      end = 'stopped';
    }
    const killed = end === 'stopped' && cutOff !== undefined && cutOff.by !== 'abort';
    const run = new EngineRun({
      end: killed ? 'killed' : end,
      plan,
      result,
      failure,
      events,
      transport,
      disk: this.disk,
      hashedBytes: hasher.bytesRead,
      ms: clock.monotonic() - began,
    });
    run.check({ connections, largeConnections, timers: clock.timers });
    return run;
  }

  /** Runs until all is there, as people do. Every run that does not bring all must say why. */
  async runUntilComplete(mostRuns = 12): Promise<EngineRun[]> {
    const runs: EngineRun[] = [];
    while (!this.complete && runs.length < mostRuns) runs.push(await this.run());
    if (!this.complete) throw new Error(`not complete after ${mostRuns} runs: ${runs.at(-1)}`);
    return runs;
  }
}
