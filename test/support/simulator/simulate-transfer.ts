import { IntervalSet } from '../../../src/model/interval-set.ts';
import type { Schedule } from '../../../src/transfer/scheduling/schedule.ts';
import type { Segment } from '../../../src/transfer/scheduling/segment.ts';
import { nextLookMs } from '../../../src/transfer/steering.ts';
import { type LinkModel, type SimulatedConnection, SimulatedNetwork } from './link-model.ts';

const MIB = 1024 * 1024;
const TICK_MS = 5;
/** As the I/O threads report what they wrote. */
const REPORT_MS = 100;
const REPORT_BYTES = MIB;
/** As the engine looks. */
const OBSERVE_MS = 25;
/** How long the others waited for the first answer of a host in version 0.1.0. */
const MAX_HOLD_MS = 1000;
/** Bytes per millisecond of one hash thread. */
const HASH_RATE = 1_500_000;
/** No simulated run takes so long. */
const MAX_MS = 3_600_000;

/** Decides how many connections large files have, as the engine asks it. */
export interface Controller {
  readonly limit: number;
  /** Returns how many connections may stay open, if some are to be closed. */
  observe(now: number, bytes: number): number | undefined;
}

export interface TransferScene {
  readonly link: LinkModel;
  /** Sizes in bytes. */
  readonly files: readonly number[];
  /** Connections at work at most. */
  readonly connections: number;
  readonly schedule: Schedule;
  readonly controller: Controller;
  /** All wait for the first answer of the host, as in version 0.1.0. */
  readonly firstAnswerAlone?: boolean;
  readonly seed?: number;
}

export interface SimulatedTransfer {
  /** When every byte was there and hashed. */
  readonly endedAt: number;
  /** Bytes that had come by every tenth of a second. */
  readonly bytes: readonly number[];
  /** The limit at those moments. */
  readonly limits: readonly number[];
  readonly requests: number;
}

/** A request under way. */
interface Job {
  readonly connection: SimulatedConnection;
  readonly segment: Segment;
  readonly firstByteAt: number;
  unreported: number;
  /** Something of it was: the first bytes are reported at once. */
  reported: boolean;
  credit: number;
  stopped: boolean;
}

/** Files come over a link in virtual time, driven by the real schedule and a controller, as the engine does it. */
export function simulateTransfer(scene: TransferScene): SimulatedTransfer {
  return new TransferSimulation(scene).run();
}

class TransferSimulation {
  readonly #scene: TransferScene;
  readonly #network: SimulatedNetwork;
  readonly #written: readonly IntervalSet[];
  readonly #hashed: number[];
  #jobs: Job[] = [];
  #now = 0;
  #bytes = 0;
  #observedAt = 0;
  #lookedAt = 0;
  #requests = 0;
  /** Idle connections look now. Otherwise they look from time to time, as a slow segment becomes worth stealing. */
  #awake = true;

  constructor(scene: TransferScene) {
    this.#scene = scene;
    this.#network = new SimulatedNetwork(scene.link, scene.seed ?? 1);
    this.#written = scene.files.map(() => new IntervalSet());
    this.#hashed = scene.files.map(() => 0);
  }

  run(): SimulatedTransfer {
    const { files, schedule, controller } = this.#scene;
    for (const [file, size] of files.entries()) schedule.add(file, size, [{ start: 0, end: size }]);
    const bytes: number[] = [];
    const limits: number[] = [];
    for (; !this.#done; this.#now += TICK_MS) {
      if (this.#now > MAX_MS) throw new Error('the transfer never ends');
      if (this.#now % 100 === 0) {
        bytes.push(this.#bytes);
        limits.push(controller.limit);
      }
      this.#startRequests();
      this.#deliver();
      this.#hash();
      if (this.#now - this.#lookedAt >= nextLookMs(this.#bytes)) {
        this.#lookedAt = this.#now;
        this.#awake = true;
        this.#observe();
      }
    }
    return { endedAt: this.#now, bytes, limits, requests: this.#requests };
  }

  get #done(): boolean {
    return this.#scene.files.every((size, file) => this.#hashed[file]! >= size);
  }

  #startRequests(): void {
    const { schedule, controller, connections, firstAnswerAlone = false, link } = this.#scene;
    if (!this.#awake) return;
    this.#awake = false;
    while (this.#jobs.length < connections) {
      const assignment = schedule.take(this.#now, controller.limit);
      if (assignment === undefined) return;
      const { segment, stolenFrom } = assignment;
      if (stolenFrom !== undefined && stolenFrom.position >= stolenFrom.end) this.#stop(stolenFrom);
      schedule.ask(segment, this.#now);
      const held = firstAnswerAlone ? Math.min(MAX_HOLD_MS, link.waits.fresh) : 0;
      const connection = this.#network.take();
      const firstByteAt = connection.ask(Math.max(this.#now, held), this.#jobs.length);
      this.#jobs.push({
        connection,
        segment,
        firstByteAt,
        unreported: 0,
        reported: false,
        credit: 0,
        stopped: false,
      });
      this.#requests += 1;
    }
  }

  #stop(segment: Segment): void {
    for (const job of this.#jobs) if (job.segment === segment) job.stopped = true;
    this.#jobs = this.#jobs.filter(({ stopped }) => !stopped);
    this.#awake = true;
    this.#scene.schedule.release(segment);
  }

  #deliver(): void {
    const delivering = this.#jobs.filter(({ firstByteAt }) => firstByteAt < this.#now + TICK_MS);
    const shares = this.#network.share(delivering.map(({ connection }) => connection));
    const reporting = this.#now % REPORT_MS === 0;
    delivering.forEach((job, index) => {
      if (job.stopped) return;
      const ms = Math.min(TICK_MS, this.#now + TICK_MS - job.firstByteAt);
      const { segment, connection } = job;
      job.credit += shares[index]! * ms;
      // What was begun is never beyond an end that was lowered: one tick's bytes are nothing.
      const count = Math.max(0, Math.min(Math.floor(job.credit), segment.end - segment.position));
      job.credit -= count;
      connection.brought(count);
      this.#written[segment.file]!.add({ start: segment.position, end: segment.position + count });
      segment.position += count;
      this.#bytes += count;
      job.unreported += count;
      const ended = segment.position >= segment.end;
      const due = ended || reporting || !job.reported || job.unreported >= REPORT_BYTES;
      if (job.unreported > 0 && due) this.#report(job);
      if (!ended) return;
      this.#network.giveBack(connection);
      this.#stop(segment);
    });
  }

  #report(job: Job): void {
    job.reported = true;
    this.#scene.schedule.progress(job.segment, job.unreported, this.#now);
    job.unreported = 0;
    if (this.#now - this.#observedAt >= OBSERVE_MS) this.#observe();
  }

  #observe(): void {
    this.#observedAt = this.#now;
    const { controller, schedule } = this.#scene;
    const keep = controller.observe(this.#now, this.#bytes);
    this.#awake ||= controller.limit > this.#jobs.length;
    if (keep === undefined) return;
    for (const segment of schedule.beyond(keep, this.#now)) this.#stop(segment);
  }

  /** One thread hashes the files in turn, as far as they are there without a gap. */
  #hash(): void {
    let left = HASH_RATE * TICK_MS;
    for (const [file, written] of this.#written.entries()) {
      const bytes = Math.min(left, written.prefix() - this.#hashed[file]!);
      this.#hashed[file]! += bytes;
      left -= bytes;
    }
  }
}
