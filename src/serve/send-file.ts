import { type BigIntStats, close, constants, fstat, open, read } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import type { ByteRange } from '../model/byte-range.ts';
import type { HeldFile } from '../store/held-revision.ts';
import { stampOf } from '../store/records/stamp.ts';

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

/** Opens a file. Undefined if it is not what was verified any more: the stamp is compared behind the open, so that no file can be put in its place. */
export async function openVerified({ path, stamp }: HeldFile): Promise<OpenedFile | undefined> {
  let descriptor: number;
  try {
    descriptor = await openFile(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch {
    return undefined;
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

/** Large enough that the calls do not matter. */
const LARGE_BYTES = 256 * 1024;
const SMALL_BYTES = 16 * 1024;
/** Two buffers for each answer. Above this number of answers the buffers are small: memory must not follow the number of clients. */
const MAX_LARGE = 64;

/** Sends ranges of files, with a bound on memory over all answers. */
export class FileSender {
  #large = 0;

  /**
   * Sends a range as the body of an answer whose head is written. Reads the next bytes while the last ones are sent. Destroys
   * the connection if the file changes meanwhile: no byte of another content is ever sent. Resolves when the answer has ended,
   * also when the client went away.
   */
  async send(response: ServerResponse, file: OpenedFile, range: ByteRange): Promise<void> {
    const isLarge = this.#large < MAX_LARGE && range.end - range.start > SMALL_BYTES;
    const size = Math.min(isLarge ? LARGE_BYTES : SMALL_BYTES, range.end - range.start);
    if (isLarge) this.#large += 1;
    try {
      await sendIn([Buffer.allocUnsafe(size), Buffer.allocUnsafe(size)], response, file, range);
    } finally {
      if (isLarge) this.#large -= 1;
    }
  }
}

async function sendIn(
  buffers: readonly [Buffer, Buffer],
  response: ServerResponse,
  file: OpenedFile,
  range: ByteRange,
): Promise<void> {
  let sent: Promise<boolean> = Promise.resolve(true);
  for (let offset = range.start, turn: 0 | 1 = 0; offset < range.end; turn = turn === 0 ? 1 : 0) {
    const buffer = buffers[turn];
    const bytes = await file.read(buffer, offset, Math.min(buffer.length, range.end - offset));
    if (bytes === 0 || !(await file.isUnchanged())) {
      response.destroy();
      return;
    }
    // The other buffer is free for the next read only when it is sent.
    if (!(await sent)) return;
    sent = write(response, buffer.subarray(0, bytes));
    offset += bytes;
  }
  if (await sent) response.end();
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
