import { createServer, connect as dial, type Server, type Socket } from 'node:net';
import { LinkPipe, type SharedRate } from './link-pipe.ts';

/** A link as it is laid under every connection that goes through the proxy. */
export interface Link {
  /** Towards the client, of every connection on its own. */
  readonly bytesPerSecond?: number;
  /** Towards the clients, of all connections together. */
  readonly totalBytesPerSecond?: number;
  /** From a request to its answer: the first of a connection, and each later one. */
  readonly firstByteMs?: { readonly fresh: number; readonly warm: number };
  /** One connection, counted from 1 since the last reset, is slower than the others. */
  readonly straggler?: { readonly connection: number; readonly bytesPerSecond: number };
  /** In each direction. Opening a connection costs one trip there and back, as on a real line. */
  readonly delayMs?: number;
  /** Most bytes on their way to the client that it has not acknowledged. Grows from a small one: slow start. */
  readonly windowBytes?: number;
}

/** Between two entries of the history of a link. */
export const HISTORY_MS = 250;

export interface Throttle {
  readonly port: number;
  /** Bytes handed to clients since the last reset, heads included. */
  readonly bytesToClients: number;
  /** Connections accepted since the last reset. */
  readonly connections: number;
  /** Forgets the counts; connections that are open go on. */
  reset(): void;
  /** Settles as soon as so many bytes have been handed to clients since the last reset. */
  reached(bytes: number): Promise<void>;
  close(): Promise<void>;
}

/** A TCP proxy on 127.0.0.1 that makes a slow and distant server of a near one. */
export async function startThrottle(target: { port: number }, link: Link): Promise<Throttle> {
  const open = new Set<Socket>();
  let bytes = 0;
  let connections = 0;
  const { totalBytesPerSecond: total } = link;
  const shared = total === undefined ? undefined : { bytesPerSecond: total, freeAt: 0 };
  let waiting: { at: number; done: () => void } | undefined;

  function onBytes(count: number): void {
    bytes += count;
    if (waiting === undefined || bytes < waiting.at) return;
    waiting.done();
    waiting = undefined;
  }

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    connections += 1;
    const slow = link.straggler?.connection === connections ? link.straggler.bytesPerSecond : undefined;
    const bytesPerSecond = slow ?? link.bytesPerSecond;
    const upstream = join(client, target.port, { ...link, bytesPerSecond, shared, onBytes });
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.once('close', () => open.delete(socket));
    }
  });
  await listening(server);
  return {
    port: (server.address() as { port: number }).port,
    get bytesToClients() {
      return bytes;
    },
    get connections() {
      return connections;
    },
    reset() {
      bytes = 0;
      connections = 0;
      waiting = undefined;
    },
    reached: (at) =>
      new Promise((done) => {
        waiting = { at, done };
        onBytes(0);
      }),
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        for (const socket of open) socket.destroy();
      }),
  };
}

interface Joint {
  readonly bytesPerSecond: number | undefined;
  readonly delayMs?: number;
  readonly windowBytes?: number;
  readonly firstByteMs?: { readonly fresh: number; readonly warm: number };
  readonly shared: SharedRate | undefined;
  readonly onBytes: (count: number) => void;
}

function join(client: Socket, port: number, joint: Joint): Socket {
  const { bytesPerSecond, delayMs = 0, windowBytes, firstByteMs, shared, onBytes } = joint;
  const down = new LinkPipe({ sink: client, bytesPerSecond, shared, delayMs, windowBytes, onBytes });
  let requests = 0;
  // A client of HTTP/1.1 sends one request at a time, in one piece.
  const waitMs = () => {
    requests += 1;
    return (requests === 1 ? firstByteMs?.fresh : firstByteMs?.warm) ?? 0;
  };
  const upstream = dial({
    port,
    host: '127.0.0.1',
    allowHalfOpen: true,
    noDelay: true,
    onread: {
      // A buffer of its own for every read: it may have to wait, and is not copied.
      buffer: () => Buffer.allocUnsafeSlow(down.readSize),
      callback: (size, buffer) => {
        down.take(Buffer.from(buffer.buffer, buffer.byteOffset, size));
        return !down.full;
      },
    },
  });
  down.source = upstream;
  const up = new LinkPipe({
    sink: upstream,
    bytesPerSecond: undefined,
    delayMs,
    windowBytes: undefined,
    waitMs,
    // The handshake that this machine made in no time.
    opensAt: performance.now() + 2 * delayMs,
  });
  up.source = client;
  client.on('data', (piece: Buffer) => {
    up.take(piece);
    if (up.full) client.pause();
  });
  client.on('end', () => up.finish());
  upstream.on('end', () => down.finish());
  for (const [socket, other] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    socket.on('error', () => {});
    socket.on('close', (failed) => {
      // A clean end has travelled through the pipe already; a side that broke off closes the other.
      if (failed || socket === client) other.destroy();
      if (socket === client) {
        down.stop();
        up.stop();
      }
    });
  }
  return upstream;
}

function listening(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', 512, resolve);
  });
}
