import { parentPort } from 'node:worker_threads';
import { HashDesk } from './hash-desk.ts';
import type { HashCommand } from './hash-messages.ts';

// The thread in which files are hashed while they arrive.
const desk = new HashDesk();
parentPort?.on('message', (command: HashCommand) => {
  const reply = desk.handle(command);
  if (reply !== undefined) parentPort?.postMessage(reply);
});
