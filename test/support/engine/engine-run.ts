import { FetchError } from '../../../src/model/error.ts';
import type { TransferEvent } from '../../../src/model/event.ts';
import type { Plan } from '../../../src/model/plan.ts';
import type { RunResult } from '../../../src/transfer/transfer-context.ts';
import type { ClockEnd } from '../manual-clock.ts';
import type { MemoryDisk } from './memory-disk.ts';
import type { MemoryTransport } from './memory-transport.ts';

interface Outcome {
  /** `killed`: nothing of it goes on. */
  readonly end: ClockEnd | 'killed';
  readonly plan: Plan;
  readonly result: RunResult | undefined;
  readonly failure: unknown;
  readonly events: readonly TransferEvent[];
  readonly transport: MemoryTransport;
  readonly disk: MemoryDisk;
  readonly hashedBytes: number;
  /** Virtual. */
  readonly ms: number;
}

interface Allowed {
  readonly connections: number;
  readonly largeConnections: number;
  /** Timers that are set when the run is over. */
  readonly timers: number;
}

type EventOf<Type> = Extract<TransferEvent, { type: Type }>;

/** One run of the engine that is over, and what it did. */
export class EngineRun {
  readonly #outcome: Outcome;

  constructor(outcome: Outcome) {
    this.#outcome = outcome;
  }

  get transport(): MemoryTransport {
    return this.#outcome.transport;
  }

  /** Virtual milliseconds. */
  get ms(): number {
    return this.#outcome.ms;
  }

  get killed(): boolean {
    return this.#outcome.end === 'killed';
  }

  /** Every file of it is there. */
  get done(): boolean {
    return this.#outcome.result?.failures.length === 0;
  }

  get fetchedBytes(): number {
    return this.#outcome.result?.fetchedBytes ?? 0;
  }

  get copiedBytes(): number {
    return this.#outcome.result?.copiedBytes ?? 0;
  }

  get wireBytes(): number {
    return this.#outcome.result?.wireBytes ?? 0;
  }

  /** Bytes that were read to be hashed, of files that were brought. */
  get hashedBytes(): number {
    return this.#outcome.hashedBytes;
  }

  /** Why the run, or a file of it, failed. */
  get failures(): readonly FetchError[] {
    const { failure, result } = this.#outcome;
    const whole = failure instanceof FetchError ? [failure] : [];
    return [...whole, ...(result?.failures.map(({ error }) => error) ?? [])];
  }

  get codes(): string[] {
    return this.failures.map(({ code }) => code);
  }

  events<Type extends TransferEvent['type']>(type: Type): EventOf<Type>[] {
    return this.#outcome.events.filter((event): event is EventOf<Type> => event.type === type);
  }

  /** Bytes of a file that were told of as written, less those that were told of as lost. */
  bytesOf(path: string): number {
    let sum = 0;
    for (const event of this.#outcome.events) {
      if ((event.type === 'bytes' || event.type === 'copied') && event.path === path) sum += event.count;
      if (event.type === 'bytes-lost' && event.path === path) sum -= event.count;
    }
    return sum;
  }

  /** Throws if something does not hold that must hold of every run. */
  check({ connections, largeConnections, timers }: Allowed): void {
    const { end, failure, transport, disk } = this.#outcome;
    const wrong: string[] = disk.wrongNames.map((name) => `a wrong file has its final name: ${name}`);
    if (transport.mostOpen > connections) wrong.push(`${transport.mostOpen} connections of ${connections}`);
    if (transport.mostOpenLarge > largeConnections)
      wrong.push(`${transport.mostOpenLarge} connections for large files of ${largeConnections}`);
    if (end === 'stuck') wrong.push('it waits for what never comes');
    if (end === 'stopped') wrong.push('it does not end in time');
    if (end === 'ended') {
      if (failure !== undefined && !(failure instanceof FetchError)) wrong.push(`${failure} has no name`);
      if (this.codes.includes('BUG')) wrong.push(`a bug: ${this.failures.join(', ')}`);
      if (transport.open > 0) wrong.push(`${transport.open} connections are left open`);
      if (timers > 0) wrong.push(`${timers} timers are left`);
      if (disk.descriptors.size > 0) wrong.push(`${disk.descriptors.size} parts are left open`);
      wrong.push(...this.#filesAmiss(), ...this.#sumsAmiss());
    }
    if (wrong.length > 0) throw new Error(`${wrong.join('\n')}\n${this}`);
  }

  /** What the run says of its files against what the disk says. */
  #filesAmiss(): string[] {
    const { result, plan, disk } = this.#outcome;
    const failed = new Set(result?.failures.map(({ path }) => path));
    const finished = new Set(this.events('file-finished').map(({ path }) => path));
    return plan.files.flatMap(({ file: { path } }) => {
      const right = disk.finals.get(path)?.isRight === true;
      const amiss: string[] = [];
      if (finished.has(path) && !right) amiss.push(`${path} is said to be finished and is not`);
      if (result !== undefined && !right && !failed.has(path))
        amiss.push(`${path} is neither right nor failed`);
      if (result !== undefined && right && !finished.has(path))
        amiss.push(`${path} is right and was not reported`);
      return amiss;
    });
  }

  /** What was told of bytes against what a finished file has. */
  #sumsAmiss(): string[] {
    const { plan, result } = this.#outcome;
    const held = new Map(this.events('file-started').map((event) => [event.path, event.held]));
    const amiss: string[] = [];
    for (const { path, how } of this.events('file-finished')) {
      const { size } = plan.files.find(({ file }) => file.path === path)!.file;
      const sum = (held.get(path) ?? 0) + this.bytesOf(path);
      if ((how !== 'kept' || held.has(path)) && sum !== size)
        amiss.push(`${path} has ${size} bytes, and events tell of ${sum}`);
    }
    const failed = this.failures.length > 0 || this.events('bytes-lost').length > 0;
    const told = (type: 'bytes' | 'copied') => this.events(type).reduce((sum, { count }) => sum + count, 0);
    if (result !== undefined && !failed && told('bytes') !== result.fetchedBytes)
      amiss.push(`${result.fetchedBytes} bytes were fetched, and events tell of ${told('bytes')}`);
    if (result !== undefined && !failed && told('copied') !== result.copiedBytes)
      amiss.push(`${result.copiedBytes} bytes were copied, and events tell of ${told('copied')}`);
    if (result !== undefined && result.wireBytes < result.fetchedBytes)
      amiss.push(`${result.fetchedBytes} bytes were fetched, and the network carried ${result.wireBytes}`);
    return amiss;
  }

  toString(): string {
    const { end, result, failure, ms, events } = this.#outcome;
    const last = events
      .slice(-12)
      .map((event) => JSON.stringify(event, (key, value) => (key === 'plan' ? '…' : value)));
    const how = failure === undefined ? `${result?.failures.length ?? '?'} files failed` : String(failure);
    return [`run ${end} after ${Math.round(ms)} ms: ${how}`, ...last].join('\n  ');
  }
}
