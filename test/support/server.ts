import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createServer as createTcpServer, type Server, type Socket } from 'node:net';

/** A server of this machine for one test. Disposing of it ends every connection. */
export interface TestServer extends AsyncDisposable {
  readonly port: number;
  readonly origin: string;
  /** Connections that were ever made. */
  readonly connections: number;
}

/** A key and a certificate, in PEM. */
export interface TlsPair {
  readonly key: Buffer;
  readonly cert: Buffer;
}

/** An HTTP server that answers as `answer` says; over TLS if it has a certificate. */
export function serveHttp(answer: RequestListener, tls?: TlsPair): Promise<TestServer> {
  if (tls === undefined) return serve(createHttpServer({ keepAliveTimeout: 30_000 }, answer));
  return serve(
    createHttpsServer({ keepAliveTimeout: 30_000, key: tls.key, cert: tls.cert }, answer),
    'https',
  );
}

/** Any server: `talk` gets each connection as it is, for answers that no HTTP server would give. */
export function serveTcp(talk: (socket: Socket, number: number) => void): Promise<TestServer> {
  let number = 0;
  return serve(
    createTcpServer((socket) => {
      socket.on('error', () => {});
      number += 1;
      talk(socket, number);
    }),
  );
}

export async function serve(server: Server, scheme = 'http'): Promise<TestServer> {
  const sockets = new Set<Socket>();
  let connections = 0;
  server.on('connection', (socket: Socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    port,
    origin: `${scheme}://127.0.0.1:${port}`,
    get connections() {
      return connections;
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
