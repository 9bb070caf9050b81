import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Listener {
  readonly origin: string;
  close(): Promise<void>;
}

/** A server on 127.0.0.1. What goes wrong in an answer ends its connection and is shown, never swallowed. */
export async function listen(
  answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
  port = 0,
): Promise<Listener> {
  const server = createServer({ keepAliveTimeout: 30_000, noDelay: true }, (request, response) => {
    answer(request, response).catch((failure: unknown) => {
      console.error(`local hub: ${request.method} ${request.url} failed`, failure);
      response.destroy();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const address = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${address.port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
