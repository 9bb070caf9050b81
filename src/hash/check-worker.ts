import { parentPort } from 'node:worker_threads';
import type { CheckCommand, CheckReply } from './check-messages.ts';
import { HashSession } from './hash-session.ts';

/** After so many bytes the main thread hears of them: a bar needs no more, and messages cost. */
const STEP_BYTES = 32 * 1024 * 1024;

const reply = (message: CheckReply) => parentPort?.postMessage(message);

// A thread that reads files one after the other, with one buffer of a mebibyte for all of them.
parentPort?.on('message', ({ id, path, size, git }: CheckCommand) => {
  let session: HashSession | undefined;
  try {
    session = new HashSession(path, size, git);
    for (let end = 0; end < size; ) {
      const next = Math.min(size, end + STEP_BYTES);
      session.advance(next);
      reply({ id, kind: 'read', bytes: next - end });
      end = next;
    }
    reply({ id, kind: 'done', digests: session.finish() });
  } catch (error) {
    reply({ id, kind: 'failed', message: error instanceof Error ? error.message : String(error) });
  } finally {
    session?.close();
  }
});
