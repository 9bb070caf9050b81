import { parentPort, workerData } from 'node:worker_threads';
import type { ContactedHost } from '../../../http/host-policy.ts';
import { systemClock } from '../../../system/clock.ts';
import { createTransport } from '../create-transport.ts';
import type { TransportCommand, TransportReply, TransportSetup } from './transport-messages.ts';
import { TransportServer } from './transport-server.ts';

// The thread in which all sockets for file bytes and all writes of file bytes live.
const reply = (message: TransportReply) => parentPort?.postMessage(message);
const trace = (message: string) => reply({ kind: 'trace', message });
const onContact = (contact: ContactedHost) => reply({ kind: 'contact', contact });
const server = new TransportServer(
  createTransport(workerData as TransportSetup, systemClock, trace, onContact),
  reply,
);
parentPort?.on('message', (command: TransportCommand) => server.handle(command));
