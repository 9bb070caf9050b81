import { parentPort, workerData } from 'node:worker_threads';
import type { ChunkedFile, ChunkReply } from './chunk-messages.ts';
import { readChunks } from './chunk-session.ts';
import { readFailure } from './hash-messages.ts';

/** Bytes between two reports: a bar needs no more. */
const STEP_BYTES = 32 * 1024 * 1024;

const reply = (message: ChunkReply): void => parentPort?.postMessage(message);

let unsaid = 0;
const onRead = (bytes: number): void => {
  unsaid += bytes;
  if (unsaid < STEP_BYTES) return;
  reply({ kind: 'progress', bytes: unsaid });
  unsaid = 0;
};

readChunks(workerData as ChunkedFile, onRead).then(
  (chunks) => {
    reply({ kind: 'progress', bytes: unsaid });
    reply({ kind: 'chunks', chunks });
  },
  (error: unknown) => reply({ kind: 'failed', ...readFailure(error) }),
);
