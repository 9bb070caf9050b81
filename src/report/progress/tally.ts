import type { FileOutcome, TransferEvent } from '../../model/event.ts';
import { bytesFrom, type Plan, type PlannedFile } from '../../model/plan.ts';
import type { Revision } from '../../model/repo.ts';

export type FileState = 'waiting' | 'moving' | 'verifying' | 'finished' | 'failed';

/** What is known of one file. `done` is never below 0 nor above `size`. */
export interface FileProgress {
  readonly path: string;
  readonly size: number;
  readonly done: number;
  readonly state: FileState;
}

interface FileRecord {
  readonly path: string;
  size: number;
  /** Counted from the events: may exceed `size` for a moment, when two connections receive the same bytes. */
  counted: number;
  done: number;
  state: FileState;
  how: FileOutcome | undefined;
}

/**
 * Sums the events of a run. Every output reads its numbers here, so text and JSON cannot disagree. A `bytes` event
 * costs one lookup and a few additions, because thousands arrive per second.
 */
export class Tally {
  /** Bytes of all planned files, and how many of them are on disk and expected to be right. */
  totalBytes = 0;
  doneBytes = 0;
  /** Bytes that were on disk before the run. */
  heldBytes = 0;
  /** Bytes that were fetched over the network in this run, including those that were lost again. */
  fetchedBytes = 0;
  totalFiles = 0;
  finishedFiles = 0;
  /** Finished files by how they were completed. */
  readonly outcomes: Record<FileOutcome, number> = { transferred: 0, kept: 0, repaired: 0 };
  failedFiles = 0;
  retries = 0;
  /** Files that the listing has returned so far. */
  listedFiles = 0;
  revision: Revision | undefined;
  plan: Plan | undefined;
  readonly #files = new Map<string, FileRecord>();
  /** In the order in which they started, so that lines on a screen keep their places. */
  readonly #active = new Set<FileRecord>();

  /** Files in transfer or verification, the oldest first. */
  get active(): Iterable<FileProgress> {
    return this.#active;
  }

  get activeFiles(): number {
    return this.#active.size;
  }

  get remainingBytes(): number {
    return this.totalBytes - this.doneBytes;
  }

  /** Bytes that count as done but are not verified yet. */
  get uncheckedBytes(): number {
    const waiting = (this.plan?.files ?? []).filter(({ action, file }) => {
      return action === 'check' && this.file(file.path)?.state === 'waiting';
    });
    return waiting.reduce((sum, { file }) => sum + (this.file(file.path)?.done ?? 0), 0);
  }

  file(path: string): FileProgress | undefined {
    return this.#files.get(path);
  }

  apply(event: TransferEvent): void {
    switch (event.type) {
      case 'bytes':
        this.fetchedBytes += event.count;
        this.#count(this.#record(event.path), event.count);
        break;
      case 'copied':
        this.#count(this.#record(event.path), event.count);
        break;
      case 'bytes-lost':
        this.#count(this.#record(event.path), -event.count);
        break;
      case 'resolved':
        this.revision = event.revision;
        break;
      case 'listing':
        this.listedFiles = event.files;
        break;
      case 'planned':
        this.#begin(event.plan);
        break;
      case 'file-started': {
        const record = this.#record(event.path);
        this.#resize(record, event.size);
        // Overrides the plan: a checked file that does not match starts from its part.
        this.#count(record, event.held - record.counted);
        this.#enter(record, 'moving');
        break;
      }
      case 'file-verifying':
        this.#enter(this.#record(event.path), 'verifying');
        break;
      case 'file-finished': {
        const record = this.#record(event.path);
        this.#resize(record, event.size);
        this.#count(record, event.size - record.counted);
        this.#finish(record, event.how);
        break;
      }
      case 'file-failed':
        this.#enter(this.#record(event.path), 'failed');
        break;
      case 'retrying':
        this.retries += 1;
        break;
      case 'note':
      case 'hub-warning':
      case 'contact':
      case 'trace':
        break;
    }
  }

  #begin(plan: Plan): void {
    this.plan = plan;
    for (const planned of plan.files) {
      const { path, size } = planned.file;
      const record = this.#record(path);
      this.#resize(record, size);
      this.#count(record, heldOf(planned) - record.counted);
      this.heldBytes += record.done;
      if (planned.action === 'keep') this.#finish(record, 'kept');
    }
  }

  /** Files without a plan are counted too, so that no early event is lost. */
  #record(path: string): FileRecord {
    let record = this.#files.get(path);
    if (record === undefined) {
      record = { path, size: 0, counted: 0, done: 0, state: 'waiting', how: undefined };
      this.#files.set(path, record);
      this.totalFiles += 1;
    }
    return record;
  }

  #resize(record: FileRecord, size: number): void {
    this.totalBytes += size - record.size;
    record.size = size;
    this.#count(record, 0);
  }

  #count(record: FileRecord, change: number): void {
    record.counted = Math.max(0, record.counted + change);
    const done = Math.min(record.counted, record.size);
    this.doneBytes += done - record.done;
    record.done = done;
  }

  #finish(record: FileRecord, how: FileOutcome): void {
    this.#enter(record, 'finished');
    record.how = how;
    this.outcomes[how] += 1;
  }

  /** The only place where a file changes its state, so that no counter can miss it. */
  #enter(record: FileRecord, state: FileState): void {
    if (record.state === 'finished') this.finishedFiles -= 1;
    if (record.state === 'failed') this.failedFiles -= 1;
    if (record.how !== undefined) this.outcomes[record.how] -= 1;
    record.how = undefined;
    record.state = state;
    if (state === 'finished') this.finishedFiles += 1;
    if (state === 'failed') this.failedFiles += 1;
    if (state === 'moving' || state === 'verifying') this.#active.add(record);
    else this.#active.delete(record);
  }
}

/** Bytes of a planned file that count as on disk: all of a kept or checked file, the held ranges of a part. */
export function heldOf(planned: PlannedFile): number {
  return planned.action === 'transfer' ? bytesFrom(planned, 'held') : planned.file.size;
}
