import type { Clock } from '../system/clock.ts';
import { Notifier } from '../system/notifier.ts';
import { TaskGroup } from '../system/task-group.ts';
import { Peers } from './peers.ts';
import { CopyQueue } from './scheduling/copy-queue.ts';
import { LinkEstimate } from './scheduling/link-estimate.ts';
import { Schedule } from './scheduling/schedule.ts';
import type { Segment } from './scheduling/segment.ts';
import { SharedWork } from './scheduling/shared-work.ts';
import type { TransferContext } from './transfer-context.ts';

/** Abort reason for one segment: another connection has taken over, or the file is settled. */
const TAKEN = new Error('another connection has taken over');

/** Shared state of one run: the work that is left, and the means to stop a segment or the whole run. */
export class RunState {
  readonly context: TransferContext;
  readonly clock: Clock;
  readonly schedule: Schedule;
  readonly copies: CopyQueue = new CopyQueue();
  /** Undefined if there are none. */
  readonly peers: Peers | undefined;
  /** The same. */
  readonly shared: SharedWork | undefined;
  /** Called when the work on a segment begins or ends. */
  onSegments: () => void = () => {};
  /** Woken whenever waiting connections may have something to do. */
  readonly wakeup: Notifier;
  /** Aborts when the run ends: by its caller, or by a failure that concerns more than one file. */
  readonly signal: AbortSignal;
  /** Tasks that no connection waits for. A failure of one ends the run. */
  readonly background: TaskGroup;
  readonly #stop = new AbortController();
  readonly #controllers = new Map<Segment, AbortController>();

  constructor(context: TransferContext) {
    const { limits, hubWaitMs, environment, signal } = context;
    this.context = context;
    this.clock = environment.clock;
    this.wakeup = new Notifier(this.clock);
    this.signal = AbortSignal.any([signal, this.#stop.signal]);
    const { peers = [], emit, shared: { node } = { node: '' } } = context;
    const { clock, wakeup } = this;
    this.peers = peers.length === 0 ? undefined : new Peers(peers, { clock, emit, node, wakeup });
    this.shared = this.peers === undefined ? undefined : new SharedWork(this.peers);
    this.schedule = new Schedule({
      ...limits,
      sizing: new LinkEstimate(hubWaitMs),
      shared: this.shared,
    });
    this.background = new TaskGroup(
      (error) => this.stop(error),
      () => this.wakeup.wake(),
    );
    this.signal.addEventListener('abort', () => {
      for (const controller of this.#controllers.values()) controller.abort(this.signal.reason);
      this.wakeup.wake();
    });
  }

  /** Ends the run with this error. */
  stop(error: unknown): void {
    this.#stop.abort(error);
  }

  /** Work on a segment begins. The signal aborts when the segment, or the run, is stopped. */
  begin(segment: Segment): AbortSignal {
    const controller = new AbortController();
    this.#controllers.set(segment, controller);
    this.onSegments();
    return controller.signal;
  }

  /** Work on a segment has ended: what is left of it returns to its queue. */
  end(segment: Segment): void {
    this.#controllers.delete(segment);
    this.schedule.release(segment);
    this.copies.release(segment);
    this.onSegments();
    this.wakeup.wake();
  }

  /** Stops the work on one segment. */
  stopSegment(segment: Segment): void {
    this.#controllers.get(segment)?.abort(TAKEN);
  }

  /** Takes a file off the queues and stops all work on it. */
  drop(file: number): void {
    const { stopped } = this.copies.drop(file);
    for (const segment of [...this.schedule.drop(file), ...stopped]) this.stopSegment(segment);
  }
}
