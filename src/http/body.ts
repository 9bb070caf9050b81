import { createBrotliDecompress, createUnzip } from 'node:zlib';
import { FetchError } from '../model/error.ts';
import type { HttpResponse } from './client.ts';
import { networkError } from './network-error.ts';

/** Reads a whole small body as text; NETWORK if it is larger than `limit` bytes or ends early. */
export async function readText(response: HttpResponse, limit: number, signal: AbortSignal): Promise<string> {
  return (await readBody(response, limit, signal)).toString('utf8');
}

/** The first bytes of a body as text, at most `limit` of them; empty if they cannot be read. */
export async function readStart(response: HttpResponse, limit: number, signal: AbortSignal): Promise<string> {
  const bytes = await readBody(response, limit, signal, { beyond: 'cut' }).catch(() => undefined);
  signal.throwIfAborted();
  return bytes?.toString('utf8') ?? '';
}

interface ReadOptions {
  /** What becomes of a larger body; `refuse` (NETWORK) if left out. */
  readonly beyond?: 'refuse' | 'cut';
  /** Sees each piece as it arrives; what it throws ends the reading. */
  readonly watch?: (chunk: Uint8Array) => void;
}

/** Reads a body of at most `limit` bytes. */
export async function readBody(
  response: HttpResponse,
  limit: number,
  signal: AbortSignal,
  { beyond = 'refuse', watch }: ReadOptions = {},
): Promise<Buffer> {
  const stream = decoded(response);
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of stream) {
      size += (chunk as Buffer).length;
      if (size > limit && beyond === 'cut') {
        chunks.push((chunk as Buffer).subarray(0, (chunk as Buffer).length - (size - limit)));
        break;
      }
      if (size > limit) {
        throw new FetchError('NETWORK', `the answer of ${response.url.host} is larger than ${limit} bytes`, {
          hint: 'A valid answer of that kind is smaller, so it was discarded. Check the endpoint.',
        });
      }
      watch?.(chunk as Buffer);
      chunks.push(chunk as Buffer);
    }
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof FetchError) throw error;
    throw networkError(error as Error, response.url, false, response.way);
  } finally {
    response.body.destroy();
  }
  return Buffer.concat(chunks);
}

/**
 * Hands on each piece of a body as it arrives: without an iterator, which costs a promise for each. `take` may ask for time
 * before the next one, or end the reading: that destroys the body. Resolves with whether the body came to its end.
 */
export function readPieces(
  response: HttpResponse,
  take: (piece: Buffer) => Promise<void> | 'enough' | undefined,
): Promise<boolean> {
  const stream = decoded(response);
  return new Promise((resolve, reject) => {
    const stop = () => {
      stream.removeListener('data', onData);
      response.body.destroy();
    };
    const fail = (error: unknown) => {
      reject(error);
      stop();
    };
    const onData = (piece: Buffer) => {
      try {
        const next = take(piece);
        if (next === undefined) return;
        if (next === 'enough') {
          resolve(false);
          stop();
          return;
        }
        stream.pause();
        next.then(() => stream.resume(), fail);
      } catch (error) {
        fail(error);
      }
    };
    stream.on('data', onData);
    stream.on('error', reject);
    stream.on('end', () => resolve(true));
    stream.on('close', () => reject(new Error('the connection was closed')));
    // The client pauses a body until it is read.
    stream.resume();
  });
}

/** The body without its content coding: some servers compress although the request accepts identity only. */
export function decoded(response: HttpResponse): NodeJS.ReadableStream {
  const coding = String(response.headers['content-encoding'] ?? 'identity')
    .trim()
    .toLowerCase();
  if (coding === 'identity' || coding === '') return response.body;
  const decoder =
    coding === 'gzip' || coding === 'x-gzip' || coding === 'deflate'
      ? createUnzip()
      : coding === 'br'
        ? createBrotliDecompress()
        : undefined;
  if (decoder === undefined) {
    response.body.destroy();
    throw new FetchError(
      'NETWORK',
      `${response.url.host} answers in an unknown coding: ${coding.slice(0, 40)}`,
      { hint: 'A proxy on the way may have changed the answer: try another network or endpoint.' },
    );
  }
  response.body.on('error', (error) => decoder.destroy(error));
  return response.body.pipe(decoder);
}

/** Reading a body up to this size costs less than a new connection. */
const WORTH_READING_BYTES = 64 * 1024;

/** Drops a body. A short one is read to its end, so that its connection can be reused; a long one closes it. */
export function discard(response: HttpResponse): void {
  const { body } = response;
  let size = 0;
  body.on('error', () => {});
  body.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > WORTH_READING_BYTES) body.destroy();
  });
  if (Number(response.headers['content-length'] ?? 0) > WORTH_READING_BYTES) body.destroy();
  else body.resume();
}
