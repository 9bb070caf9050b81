import { parentPort, workerData } from 'node:worker_threads';
import type { Contact } from '../http/host-policy.ts';
import { systemClock } from '../system/clock.ts';
import { createTransport } from './create-transport.ts';
import { IoDesk } from './io-desk.ts';
import type { IoCommand, IoReply, IoSettings } from './io-messages.ts';

// The thread in which all sockets for file bytes and all writes of them live.
const reply = (message: IoReply) => parentPort?.postMessage(message);
const trace = (message: string) => reply({ kind: 'trace', message });
const onContact = (contact: Contact) => reply({ kind: 'contact', contact });
const desk = new IoDesk(createTransport(workerData as IoSettings, systemClock, trace, onContact), reply);
parentPort?.on('message', (command: IoCommand) => desk.handle(command));
