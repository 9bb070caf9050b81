import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { serve, type TestServer } from './server.ts';

/** Something in front of a hub that answers some requests itself: `intercept` says whether it has. */
export function startFront(
  origin: string,
  intercept: (incoming: IncomingMessage, response: ServerResponse) => boolean,
): Promise<TestServer> {
  const server = createServer((incoming, response) => {
    if (intercept(incoming, response)) return;
    const { host: _, ...headers } = incoming.headers;
    const onward = request(`${origin}${incoming.url}`, { headers, method: incoming.method! }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    incoming.pipe(onward);
  });
  return serve(server);
}
