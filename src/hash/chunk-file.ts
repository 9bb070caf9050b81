import { Worker } from 'node:worker_threads';
import { FetchError } from '../model/error.ts';
import { unlessAborted } from '../system/on-abort.ts';
import type { ChunkedFile, ChunkReply, FileChunks } from './chunk-messages.ts';
import { unreadable } from './hash-messages.ts';

/**
 * Finds the chunks of a local file as the uploaders of Xet do today, in a thread of its own. `onRead` receives the bytes
 * of each step. DISK if the file cannot be read or has another size. Rejects with the signal's reason as soon as it aborts.
 */
export async function chunkFile(
  file: ChunkedFile,
  signal: AbortSignal,
  onRead: (bytes: number) => void = () => {},
): Promise<FileChunks> {
  signal.throwIfAborted();
  const worker = new Worker(new URL('./chunk-worker.js', import.meta.url), {
    execArgv: [],
    workerData: file,
  });
  const answer = new Promise<FileChunks>((resolve, reject) => {
    worker.on('message', (reply: ChunkReply) => {
      if (reply.kind === 'progress') onRead(reply.bytes);
      else if (reply.kind === 'chunks') resolve(reply.chunks);
      else reject(unreadable(file.path, reply));
    });
    worker.on('error', (cause) =>
      reject(new FetchError('BUG', 'a thread that finds chunks failed', { cause })),
    );
    worker.on('exit', () => reject(new FetchError('BUG', 'a thread that finds chunks ended early')));
  });
  try {
    return await unlessAborted(answer, signal);
  } finally {
    await worker.terminate();
  }
}
