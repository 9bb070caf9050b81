import { createServer, request } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { connect, createServer as createTcpServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { Worker } from 'node:worker_threads';
import type { Address } from '../../src/http/address-book.ts';
import { serve, serveTcp, type TestServer } from './server.ts';

/** A server or a resolver that says nothing from some moment on. */
export interface Silence extends AsyncDisposable {
  readonly port: number;
  /** Resolves when a client waits for it. */
  readonly reached: Promise<void>;
}

function silence(port: number, reached: Promise<void>, close: () => Promise<unknown>): Silence {
  return {
    port,
    reached,
    async [Symbol.asyncDispose]() {
      await close();
    },
  };
}

function moment(): { readonly promise: Promise<void>; readonly come: () => void } {
  let come = () => {};
  const promise = new Promise<void>((resolve) => {
    come = resolve;
  });
  return { promise, come };
}

const DEAF = `
const { parentPort } = require('node:worker_threads');
const server = require('node:net').createServer();
server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
  parentPort.postMessage(server.address().port);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
});`;

/** No accept, and the queue is full: the system answers no SYN (Linux). */
export async function deafToTcp(): Promise<Silence> {
  const worker = new Worker(DEAF, { eval: true });
  const port = await new Promise<number>((resolve) => worker.once('message', resolve));
  const fillers: Socket[] = [];
  for (let waiting = false; !waiting; ) {
    const filler = connect(port, '127.0.0.1').on('error', () => {});
    fillers.push(filler);
    waiting = await new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(true), 500);
      filler.once('connect', () => {
        clearTimeout(timer);
        resolve(false);
      });
    });
  }
  // A waiting client cannot be observed here.
  return silence(port, new Promise((resolve) => setTimeout(resolve, 50)), async () => {
    for (const filler of fillers) filler.destroy();
    await worker.terminate();
  });
}

/** Accepts connections and says `words` to whatever comes first, one letter at a time, for ever from the start. */
export async function silentTcp(words = '', more = ''): Promise<Silence> {
  const { promise, come } = moment();
  const timers: NodeJS.Timeout[] = [];
  const server = await serveTcp((socket) => {
    socket.once('data', () => {
      socket.write(words);
      if (more !== '') timers.push(setInterval(() => socket.write(more), 10));
      come();
    });
  });
  return silence(server.port, promise, async () => {
    for (const timer of timers) clearInterval(timer);
    await server[Symbol.asyncDispose]();
  });
}

/** The same behind TLS. */
export async function silentTls(pair: { key: string; cert: string }, words = ''): Promise<Silence> {
  const { promise, come } = moment();
  const server = await serve(
    createTlsServer(pair, (socket) => {
      socket.on('error', () => {});
      socket.once('data', () => {
        socket.write(words);
        come();
      });
    }),
    'https',
  );
  return silence(server.port, promise, async () => await server[Symbol.asyncDispose]());
}

/** A look-up without an end. */
export function silentLookup(): {
  readonly lookup: () => Promise<readonly Address[]>;
  readonly reached: Promise<void>;
} {
  const { promise, come } = moment();
  return {
    lookup: () => {
      come();
      return new Promise(() => {});
    },
    reached: promise,
  };
}

export interface Proxy extends TestServer {
  /** First lines of requests, and the value of Proxy-Authorization. */
  readonly asked: string[];
}

/** A proxy that forwards requests and connects. `greeting` is what it says when it has connected. */
export async function startProxy(
  pair?: { key: string; cert: string },
  greeting = 'HTTP/1.1 200 Connection established\r\n\r\n',
  answers: () => boolean = () => true,
): Promise<Proxy> {
  const asked: string[] = [];
  const server = pair === undefined ? createServer() : createHttpsServer(pair);
  server.on('request', (incoming, response) => {
    asked.push(`${incoming.method} ${incoming.url} ${incoming.headers['proxy-authorization'] ?? 'none'}`);
    const { 'proxy-authorization': _, ...headers } = incoming.headers;
    const onward = request(incoming.url!, { headers, method: incoming.method! }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    incoming.pipe(onward);
  });
  server.on('connect', (incoming, socket) => {
    asked.push(`CONNECT ${incoming.url} ${incoming.headers['proxy-authorization'] ?? 'none'}`);
    if (!answers()) return;
    const { hostname, port } = new URL(`http://${incoming.url}`);
    const onward = connect(Number(port || 80), hostname, () => {
      socket.write(greeting);
      socket.pipe(onward).pipe(socket);
    });
    for (const [one, other] of [
      [socket, onward],
      [onward, socket],
    ] as const)
      one.on('error', () => other.destroy()).on('close', () => other.destroy());
  });
  const made = await serve(server, pair === undefined ? 'http' : 'https');
  return Object.assign(made, { asked });
}

/** Accepts TCP connections, for a proxy that connects and for a server that never shakes hands. */
export async function silentHandshake(): Promise<Silence> {
  const { promise, come } = moment();
  const server = await serve(
    createTcpServer((socket) => void socket.on('error', () => {}).once('data', come)),
  );
  return silence(server.port, promise, async () => await server[Symbol.asyncDispose]());
}
