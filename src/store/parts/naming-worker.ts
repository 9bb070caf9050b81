import { closeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { Flush } from '../../system/disk/flush.ts';
import { FinalPlace } from '../paths/final-place.ts';
import { namePart } from './name-part.ts';
import { type NamingCommand, type NamingReply, toNamingError } from './naming-messages.ts';

const reply = (message: NamingReply) => parentPort?.postMessage(message);
const { root } = workerData as { readonly root: string };
const place = new FinalPlace(root);
const flush = new Flush((message) => reply({ kind: 'note', message }));

async function handle({ id, part }: NamingCommand): Promise<void> {
  let isClosed = false;
  try {
    // The content must be durable before the name is.
    await flush.file(part.descriptor);
    const stamp = await namePart(part, place, () => {
      closeSync(part.descriptor);
      isClosed = true;
    });
    reply({ kind: 'named', id, stamp });
  } catch (error) {
    reply({ kind: 'failed', id, isClosed, error: toNamingError(error) });
  }
}

parentPort?.on('message', (command: NamingCommand) => void handle(command));
