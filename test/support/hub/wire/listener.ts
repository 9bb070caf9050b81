import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Listener {
  readonly origin: string;
  /** Ends every connection and refuses new ones for so long; `Infinity` is for ever. */
  vanish(milliseconds: number): void;
  close(): Promise<void>;
}

/** A server on 127.0.0.1. What goes wrong in an answer ends its connection and is shown, never swallowed. */
export async function listen(
  answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
  port = 0,
  connectionLimit?: number,
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
    server.listen(port, '127.0.0.1', resolve);
  });
  const address = server.address() as AddressInfo;
  let returning: NodeJS.Timeout | undefined;
  return {
    origin: `http://127.0.0.1:${address.port}`,
    vanish: (milliseconds) => {
      if (!server.listening) return;
      server.close();
      server.closeAllConnections();
      if (milliseconds === Number.POSITIVE_INFINITY) return;
      returning = setTimeout(() => server.listen(address.port, '127.0.0.1'), milliseconds);
    },
    close: () =>
      new Promise((resolve) => {
        clearTimeout(returning);
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
