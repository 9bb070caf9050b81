import { type FetchError, toFetchError } from '../model/error.ts';
import type { Revision } from '../model/repo.ts';
import type { FileTransfer } from './file-transfer.ts';
import type { FilesInTransfer } from './files-in-transfer.ts';
import type { RunState } from './run-state.ts';
import { DescriptorGuard, isDescriptorShortage } from './scheduling/descriptors.ts';
import { LocationPrefetcher } from './scheduling/location-prefetcher.ts';
import type { Segment } from './scheduling/segment.ts';
import { SegmentDownloader } from './segment-downloader.ts';
import { rangesByPath, SharedReport } from './shared-report.ts';
import { Steering } from './steering.ts';

/** How often an idle connection looks for work: a segment that slows down becomes worth splitting. */
const IDLE_LOOK_MS = 250;
/** The run counts as making progress if any connection wrote within this time. */
const STILL_MS = 5000;
/** How often the connections of one file may return their segments to the queue after their last attempt. */
const MAX_RETURNS = 4;

/** The connections of a run. Each takes one segment after another from the schedule, until every file is settled. */
export class Connections {
  readonly #run: RunState;
  readonly #files: FilesInTransfer;
  readonly #steering: Steering;
  readonly #downloader: SegmentDownloader;
  readonly #prefetcher: LocationPrefetcher;
  readonly #room: DescriptorGuard;
  /** All bytes that connections wrote, rewritten bytes included: the basis of the measured rate. */
  #writtenBytes = 0;
  #wroteAt = 0;
  #wireBytes = 0;

  constructor(revision: Revision, run: RunState, files: FilesInTransfer) {
    const { limits } = run.context;
    this.#run = run;
    this.#files = files;
    this.#steering = new Steering(run, (file) => files.get(file).host);
    this.#downloader = new SegmentDownloader(revision, run);
    this.#prefetcher = new LocationPrefetcher(run.schedule, limits.connections, async (file) => {
      if (files.get(file).way === 'http' && run.peers?.mayHave(file) !== true)
        await this.#downloader.locate(files.get(file));
    });
    this.#room = new DescriptorGuard(limits.connections);
  }

  /** Bytes that the network carried for files. */
  get wireBytes(): number {
    return this.#wireBytes;
  }

  /** Never rejects: a failure ends the run. Once it resolves, no connection writes any more. */
  async run(): Promise<void> {
    const { connections } = this.#run.context.limits;
    const endSteering = this.#steering.start();
    const endSharing = this.#share();
    const guarded = () => this.#connection().catch((error) => this.#run.stop(error));
    await Promise.all(Array.from({ length: connections }, guarded));
    endSharing();
    endSteering();
  }

  /** Gives way to other runs, and tells them what this one does. The returned function ends it. */
  #share(): () => void {
    const { peers, shared, schedule, clock, context, wakeup } = this.#run;
    if (peers === undefined || context.shared === undefined) return () => {};
    const pathOf = (file: number) => this.#files.get(file).file.path;
    const report = new SharedReport(
      clock,
      () => ({
        nodes: peers.relay.nodes(clock.monotonic()),
        fetching: rangesByPath(schedule.ofSource(), pathOf),
      }),
      context.shared.tell,
    );
    this.#run.onSegments = () => report.changed();
    peers.onChange = () => {
      for (const { segment, at } of peers.relay.yields(schedule.ofSource(), clock.monotonic())) {
        if (at > segment.position) schedule.giveBack(segment, at);
        if (at > segment.position) this.#narrow(segment);
        else this.#run.stopSegment(segment);
      }
      shared?.lookAgain();
      report.changed();
      wakeup.wake();
    };
    report.changed();
    return () => report.end();
  }

  /** What every connection is doing, one line each, for the status dump. */
  describe(): string[] {
    const states = this.#run.schedule.describe(this.#run.clock.monotonic());
    const summary = `${states.length} connections at work, at most ${this.#steering.limit} for large files, ${this.#files.unsettled} files to go`;
    const lines = states.map(({ file, position, end, rate, silentMs }) => {
      const speed = `${Math.round(rate)} bytes/s, last byte ${Math.round(silentMs)} ms ago`;
      return `${this.#files.get(file).file.path} at ${position} of ${end}: ${speed}`;
    });
    return [summary, ...lines];
  }

  async #connection(): Promise<void> {
    const { signal, clock, schedule, wakeup, peers } = this.#run;
    await peers?.answers(signal);
    this.#files.beginWithProof();
    while (this.#files.unsettled > 0) {
      signal.throwIfAborted();
      const now = clock.monotonic();
      const full = this.#files.congested || this.#room.full(now);
      const assignment = full ? undefined : schedule.take(now, this.#limitOfLarge, this.#steering.isBusy);
      if (assignment === undefined) {
        this.#files.mustBeMoving();
        await wakeup.sleep(IDLE_LOOK_MS);
        continue;
      }
      const { segment, stolenFrom } = assignment;
      if (stolenFrom !== undefined) this.#narrow(stolenFrom);
      await this.#files.withSegment(segment, (transfer, stop) => this.#fetch(segment, transfer, stop));
    }
  }

  /** How many connections may work on large files. */
  get #limitOfLarge(): number {
    const { schedule, peers } = this.#run;
    const next = schedule.nextLarge;
    const waits = next !== undefined && peers?.waitsForProof(next) === true;
    return waits ? schedule.largeConnections : this.#steering.limit;
  }

  /**
   * Another connection has taken the tail of the segment. If nothing is left of it, its request is stopped at once.
   */
  #narrow(segment: Segment): void {
    if (segment.position >= segment.end) this.#run.stopSegment(segment);
    else this.#run.context.transport.narrowed?.(segment);
  }

  async #fetch(segment: Segment, transfer: FileTransfer, stop: AbortSignal): Promise<void> {
    const { schedule, clock } = this.#run;
    const before = this.#writtenBytes;
    let own = 0;
    this.#room.enter();
    try {
      await this.#files.open(segment.file);
      const observer = {
        asked: () => {
          schedule.ask(segment, clock.monotonic());
          this.#prefetcher.asked(segment.file);
        },
        wrote: (bytes: number, wireBytes: number) => {
          own += bytes;
          this.#wireBytes += wireBytes;
          this.#wrote(segment, bytes);
        },
        // Several connections may detect this at the same time: only the first one takes the file.
        wholeFile: () => {
          if (!stop.aborted) this.#files.takeWhole(segment);
        },
        trouble: (kind: 'refused' | 'broke') => this.#steering.trouble(kind),
      };
      await this.#downloader.fetch(segment, transfer, observer, stop);
      this.#room.worked();
    } catch (error) {
      this.#run.signal.throwIfAborted();
      const failure = toFetchError(error);
      const now = clock.monotonic();
      const others = this.#writtenBytes - before > own && canRequeue(failure, transfer, now - this.#wroteAt);
      const short = isDescriptorShortage(failure) && this.#room.short(now, !this.#run.background.idle);
      if (!stop.aborted && !others && !short) this.#files.failed(segment.file, failure);
    } finally {
      this.#room.leave();
    }
  }

  #wrote(segment: Segment, bytes: number): void {
    const now = this.#run.clock.monotonic();
    this.#run.schedule.progress(segment, bytes, now);
    if (typeof segment.from !== 'number') this.#run.peers?.relay.fromSource(bytes, now);
    this.#writtenBytes += bytes;
    this.#wroteAt = now;
    this.#steering.wrote(now, this.#writtenBytes);
  }
}

/**
 * Whether a connection with no attempts left may return its segment to the queue. A server may accept fewer
 * connections than we open, and those that still deliver can fetch this segment too. Not without end (`MAX_RETURNS`),
 * and not after an answer of the server, which would be the same for every connection. The exception is 503: servers
 * send it to connections above their limit while the others are served. It does not count as a return, because the
 * other connections finish in the end.
 */
function canRequeue(
  { code, status, retryAfterMs }: FetchError,
  file: { returns: number },
  silentMs: number,
): boolean {
  if (code !== 'NETWORK' || silentMs > STILL_MS) return false;
  // Keep a wait that the server names: another connection would not know of it.
  if (status !== undefined) return status === 503 && retryAfterMs === undefined;
  file.returns += 1;
  return file.returns <= MAX_RETURNS;
}
