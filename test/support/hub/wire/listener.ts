import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ListenOptions {
  /** Any free one unless told. */
  readonly port?: number | undefined;
  /** One connection more is closed as soon as it stands. */
  readonly connectionLimit?: number | undefined;
  readonly address?: string;
}

export interface Listener {
  readonly origin: string;
  readonly port: number;
  /** Ends every connection and refuses new ones for so long; `Infinity` is for ever. */
  vanish(milliseconds: number): void;
  close(): Promise<void>;
}

/** A server on an address of this machine. What goes wrong in an answer ends its connection and is shown, never swallowed. */
export async function listen(
  answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
  { port = 0, connectionLimit, address: host = '127.0.0.1' }: ListenOptions = {},
): Promise<Listener> {
  const server = createServer({ keepAliveTimeout: 30_000, noDelay: true }, (request, response) => {
    answer(request, response).catch((failure: unknown) => {
      console.error(`local hub: ${request.method} ${request.url} failed`, failure);
      response.destroy();
    });
  });
  if (connectionLimit !== undefined) server.maxConnections = connectionLimit;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const address = server.address() as AddressInfo;
  let returning: NodeJS.Timeout | undefined;
  return {
    origin: `http://${host}:${address.port}`,
    port: address.port,
    vanish: (milliseconds) => {
      if (!server.listening) return;
      server.close();
      server.closeAllConnections();
      if (milliseconds === Number.POSITIVE_INFINITY) return;
      returning = setTimeout(() => server.listen(address.port, host), milliseconds);
    },
    close: () =>
      new Promise((resolve) => {
        clearTimeout(returning);
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
