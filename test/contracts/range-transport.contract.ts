import { closeSync, existsSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ByteRange } from '../../src/model/byte-range.ts';
import { IntervalSet } from '../../src/model/interval-set.ts';
import type { Location } from '../../src/source/location.ts';
import type { RangeJob, RangeObserver, Transport } from '../../src/transfer/transport/transport.ts';

export const SIZE: number = 3 * 1024 * 1024 + 17;
export const PATH: string = 'model.bin';
/** Stands wherever nothing was written. */
const UNTOUCHED = 0xee;
export const ASKED: ByteRange = { start: 1_000_001, end: 2_500_000 };

/** A range on its way into a file of its own, and all that was said about it. */
export class Job implements Disposable {
  readonly job: RangeJob;
  readonly written: IntervalSet = new IntervalSet();
  readonly moves: string[] = [];
  wholeFiles = 0;
  /** Bytes that were written more than once. */
  repeated = 0;
  onWrote: (range: ByteRange) => void = () => {};
  onWholeFile: () => void | Promise<void> = () => {};
  readonly #directory = mkdtempSync(join(tmpdir(), 'fetch-transport-'));
  #open = true;

  constructor(location: Location, range: ByteRange, size: number = SIZE) {
    const partPath = join(this.#directory, 'part');
    const descriptor = openSync(partPath, 'w+');
    writeSync(descriptor, Buffer.alloc(size, UNTOUCHED));
    this.job = {
      location,
      path: PATH,
      fileSize: size,
      window: { position: range.start, end: range.end },
      descriptor,
      partPath,
    };
  }

  readonly observer: RangeObserver = {
    wrote: (range) => {
      this.repeated += range.end - range.start - this.written.add(range);
      this.onWrote(range);
    },
    wholeFile: () => {
      this.wholeFiles += 1;
      expect(this.written.size).toBe(0);
      return this.onWholeFile();
    },
    movedTo: (url) => void this.moves.push(url),
  };

  get window(): RangeJob['window'] {
    return this.job.window;
  }

  /** What was said to be written is right, and nothing else was written. */
  expectOnly(content: Buffer, ...ranges: ByteRange[]): void {
    const expected = Buffer.alloc(content.length, UNTOUCHED);
    for (const { start, end } of ranges) content.copy(expected, start, start, end);
    const actual = Buffer.alloc(content.length);
    readSync(this.job.descriptor, actual, 0, actual.length, 0);
    expect(this.written.ranges).toEqual(ranges);
    expect(this.repeated).toBe(0);
    expect(actual.equals(expected)).toBe(true);
  }

  closeDescriptor(): void {
    if (this.#open) closeSync(this.job.descriptor);
    this.#open = false;
  }

  [Symbol.dispose](): void {
    this.closeDescriptor();
    rmSync(this.#directory, { recursive: true });
  }
}

/** A transport and a file of `SIZE` bytes that it can bring. */
export interface TransportWorld extends AsyncDisposable {
  readonly transport: Transport;
  readonly location: Location;
  /** Where no bytes are to be had. */
  readonly gone: Location;
  readonly content: Buffer;
}

/**
 * What every transport promises, wherever the bytes are. `hearsLate`: it may write beyond the end of a window that was
 * lowered a moment ago.
 */
export function rangeTransportContract(
  name: string,
  make: () => Promise<TransportWorld>,
  { hearsLate = false }: { readonly hearsLate?: boolean } = {},
): void {
  describe(`${name} keeps the contract of a transport`, () => {
    let world: TransportWorld;
    const { signal } = new AbortController();
    const bring = (job: Job, aborting = signal) => world.transport.bring(job.job, job.observer, aborting);

    beforeAll(async () => {
      world = await make();
    });
    afterAll(async () => {
      await world[Symbol.asyncDispose]();
    });

    test.each<ByteRange>([
      { start: 0, end: 1 },
      { start: 0, end: SIZE },
      { start: SIZE - 1, end: SIZE },
      { start: 65_535, end: 65_537 },
      ASKED,
    ])('brings $start-$end exactly', async (range) => {
      using job = new Job(world.location, range);
      await bring(job);
      job.expectOnly(world.content, range);
      expect(job.window).toEqual({ position: range.end, end: range.end });
    });

    test('brings nothing when nothing is wanted', async () => {
      using job = new Job(world.location, { start: 5, end: 5 });
      await bring(job);
      job.expectOnly(world.content);
    });

    test('brings many ranges at the same time', async () => {
      const jobs = Array.from({ length: 12 }, (_, index) => {
        const range = { start: index * 200_001, end: index * 200_001 + 300_000 };
        return { range, job: new Job(world.location, range) };
      });
      await Promise.all(jobs.map(({ job }) => bring(job)));
      for (const { job, range } of jobs) {
        job.expectOnly(world.content, range);
        job[Symbol.dispose]();
      }
    });

    test('reports each write before it goes on behind it', async () => {
      using job = new Job(world.location, ASKED);
      let position = ASKED.start;
      job.onWrote = ({ start, end }) => {
        expect(start).toBe(position);
        position = end;
        expect(job.window.position).toBe(end);
      };
      await bring(job);
      expect(position).toBe(ASKED.end);
    });

    test('ends where the window ends when that was lowered', async () => {
      using job = new Job(world.location, { start: 0, end: SIZE - 1 });
      const end = 2_300_000;
      job.onWrote = () => {
        job.window.end = Math.max(job.window.position, Math.min(job.window.end, end));
        world.transport.narrowed?.(job.window);
      };
      await bring(job);
      job.expectOnly(world.content, { start: 0, end: job.window.position });
      if (!hearsLate) expect(job.window.position).toBe(end);
    });

    test('asked with a signal that has aborted, does nothing', async () => {
      using job = new Job(world.location, ASKED);
      const reason = new Error('stop');
      await expect(bring(job, AbortSignal.abort(reason))).rejects.toBe(reason);
      job.expectOnly(world.content);
    });

    test('ends with the reason of an abort, and writes nothing later', async () => {
      using job = new Job(world.location, { start: 0, end: SIZE - 1 });
      const controller = new AbortController();
      const reason = new Error('stop');
      job.onWrote = () => controller.abort(reason);
      await bring(job, controller.signal).then(
        // All of it may have been written when the first report came.
        () => expect(job.window.position).toBe(SIZE - 1),
        (error: unknown) => expect(error).toBe(reason),
      );
      const { size } = job.written;
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(job.written.size).toBe(size);
    });

    test('ends with what its observer throws', async () => {
      using job = new Job(world.location, ASKED);
      const failure = new Error('the journal is full');
      job.onWrote = () => {
        throw failure;
      };
      await expect(bring(job)).rejects.toBe(failure);
    });

    test('names a location without bytes, and writes nothing', async () => {
      using job = new Job(world.gone, ASKED);
      await expect(bring(job)).rejects.toMatchObject({
        name: 'FetchError',
        code: expect.stringMatching(/^(NETWORK|NOT_FOUND)$/),
      });
      job.expectOnly(world.content);
    });

    test('ends on a full disk with a failure of the disk', async () => {
      if (!existsSync('/dev/full')) return;
      using job = new Job(world.location, ASKED);
      const descriptor = openSync('/dev/full', 'w');
      const work = world.transport.bring({ ...job.job, descriptor }, job.observer, signal);
      await expect(work).rejects.toMatchObject({
        code: 'DISK',
        side: 'store',
        retryable: false,
        message: `${PATH}: no space is left on the disk`,
      });
      closeSync(descriptor);
      expect(job.written.size).toBe(0);
      expect(job.window.position).toBe(ASKED.start);
    });

    test('ends with a failure of the disk when the part was closed', async () => {
      using job = new Job(world.location, ASKED);
      job.closeDescriptor();
      await expect(bring(job)).rejects.toMatchObject({ code: 'DISK', retryable: false });
    });
  });
}
