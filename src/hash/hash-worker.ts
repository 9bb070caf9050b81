import { parentPort } from 'node:worker_threads';
import type { HashCommand } from './hash-messages.ts';
import { HashServer } from './hash-server.ts';

// The thread in which files are hashed while they arrive.
const desk = new HashServer();
parentPort?.on('message', (command: HashCommand) => {
  const reply = desk.handle(command);
  if (reply !== undefined) parentPort?.postMessage(reply);
});
