import { type BigIntStats, close, constants, fstat, open, read } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import type { ByteRange } from '../model/byte-range.ts';
import type { HeldFile } from '../store/held-revision.ts';
import { stampOf } from '../store/records/stamp.ts';
import type { Clock } from '../system/clock.ts';
import { BlockPool } from './block-pool.ts';

const openFile = promisify(open);
const closeFile = promisify(close);
const statFile = promisify(fstat) as (descriptor: number, options: { bigint: true }) => Promise<BigIntStats>;

/** A file that was opened and is still what was verified. */
export interface OpenedFile extends AsyncDisposable {
  /** Whether the file is still unchanged. */
  isUnchanged(): Promise<boolean>;
  /** Reads bytes at an offset; returns how many, 0 at the end. */
  read(buffer: Buffer, offset: number, length: number): Promise<number>;
}

/** What a name that leads to no file of ours answers to `open`; other failures are of this machine, and pass. */
const GONE = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES', 'EPERM', 'EISDIR', 'ENXIO', 'ENAMETOOLONG']);

/**
 * Opens a file. Undefined if it is not what was verified any more: the stamp is compared behind the open, so that no file can
 * be put in its place. Rejects where the system cannot open it now: too many files are open, for example.
 */
export async function openVerified({ path, stamp }: HeldFile): Promise<OpenedFile | undefined> {
  let descriptor: number;
  try {
    descriptor = await openFile(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    if (GONE.has((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
  const isUnchanged = async () => stampOf(await statFile(descriptor, { bigint: true })) === stamp;
  const file: OpenedFile = {
    isUnchanged,
    read: (buffer, offset, length) =>
      new Promise((resolve, reject) => {
        read(descriptor, buffer, 0, length, offset, (error, bytes) => {
          if (error === null) resolve(bytes);
          else reject(error);
        });
      }),
    [Symbol.asyncDispose]: async () => await closeFile(descriptor),
  };
  if (await isUnchanged().catch(() => false)) return file;
  await file[Symbol.asyncDispose]();
  return undefined;
}

/** Bytes per millisecond. An answer that has sent less on average gets small blocks, one at a time: what a client does not take must not hold the memory of the others. */
const MIN_RATE = 1000;
/** In the first second nothing is known about the client. */
const GRACE_MS = 1000;

/** Sends ranges of files, with a bound on memory over all answers. */
export class FileSender {
  readonly #clock: Clock;
  readonly #blocks: BlockPool;

  constructor(clock: Clock, blocks: BlockPool = new BlockPool()) {
    this.#clock = clock;
    this.#blocks = blocks;
  }

  /**
   * Sends a range as the body of an answer whose head is written. Reads the next block while the last one is sent. Destroys
   * the connection if the file changes meanwhile: no byte of another content is ever sent. Resolves when the answer has ended,
   * also when the client went away.
   */
  async send(response: ServerResponse, file: OpenedFile, { start, end }: ByteRange): Promise<void> {
    const judgedFrom = this.#clock.monotonic() + GRACE_MS;
    let sent: Promise<boolean> = Promise.resolve(true);
    for (let offset = start; offset < end; ) {
      const isSlow = offset - start < (this.#clock.monotonic() - judgedFrom) * MIN_RATE;
      if (isSlow && !(await sent)) return;
      const block = this.#blocks.take(isSlow ? 0 : end - offset);
      const bytes = await readUnchanged(file, block.bytes, offset, end).catch((error: unknown) => {
        block.release();
        throw error;
      });
      if (bytes === 0 || !(await sent)) {
        block.release();
        if (bytes === 0) response.destroy();
        return;
      }
      sent = write(response, block.bytes.subarray(0, bytes)).finally(block.release);
      offset += bytes;
    }
    if (await sent) response.end();
  }
}

/** How many bytes were read; 0 if the file has changed. */
async function readUnchanged(file: OpenedFile, buffer: Buffer, offset: number, end: number): Promise<number> {
  const bytes = await file.read(buffer, offset, Math.min(buffer.length, end - offset));
  return (await file.isUnchanged()) ? bytes : 0;
}

/** Resolves when the bytes are with the system: false if the connection is gone. */
function write(response: ServerResponse, bytes: Buffer): Promise<boolean> {
  return new Promise((resolve) => {
    if (response.destroyed) {
      resolve(false);
      return;
    }
    const onClose = () => resolve(false);
    response.once('close', onClose);
    response.write(bytes, (error) => {
      response.off('close', onClose);
      resolve(error === undefined || error === null);
    });
  });
}
