import { type ClientRequest, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { serveHttp, type TestServer } from './server.ts';

const TICK_MS = 20;

export interface StarvingServer extends TestServer {
  /** The most answers that were under way at once. */
  readonly most: number;
  /** How many answers were under way, tick by tick. */
  readonly active: readonly number[];
}

export interface Starving {
  /** More answers than this at once starve all of them. */
  readonly above: number;
  /** Bytes per second of each answer as long as they are few. */
  readonly each: number;
  /** And when they are too many. */
  readonly trickle: number;
  /** The trouble begins after so many bytes. */
  readonly after?: number;
}

interface Answer {
  readonly source: IncomingMessage;
  readonly response: ServerResponse;
  credit: number;
}

/** Passes on what another server answers, as a CDN that collapses under too many connections does. */
export async function serveStarving(upstream: () => string, options: Starving): Promise<StarvingServer> {
  const { above, each, trickle, after = 0 } = options;
  const answers = new Set<Answer>();
  const active: number[] = [];
  let sent = 0;
  const server = await serveHttp((incoming, response) => {
    const { host, range, authorization } = incoming.headers;
    // The signature of an address covers its host.
    const headers = { host, ...(range && { range }), ...(authorization && { authorization }) };
    const asked: ClientRequest = request(`${upstream()}${incoming.url}`, { headers, agent: false });
    asked.on('error', () => response.destroy());
    asked.once('response', (source) => {
      response.writeHead(source.statusCode ?? 500, source.headers);
      response.flushHeaders();
      const answer = { source, response, credit: 0 };
      answers.add(answer);
      source.pause();
      source.on('error', () => response.destroy());
      response.once('close', () => {
        answers.delete(answer);
        asked.destroy();
      });
    });
    asked.end();
  });
  const timer = setInterval(() => {
    const starved = answers.size > above && sent >= after;
    active.push(answers.size);
    for (const answer of answers) {
      answer.credit += ((starved ? trickle : each) * TICK_MS) / 1000;
      sent += pass(answer);
    }
  }, TICK_MS);
  return {
    port: server.port,
    origin: server.origin,
    get connections() {
      return server.connections;
    },
    active,
    get most() {
      return Math.max(0, ...active);
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await server[Symbol.asyncDispose]();
    },
  };
}

/** Hands on as much as is due; what the other server has not sent yet is not owed. */
function pass(answer: Answer): number {
  const { source, response } = answer;
  let sent = 0;
  while (answer.credit >= 1 && response.writableLength === 0) {
    const wanted = Math.floor(answer.credit);
    const chunk = (source.read(Math.min(wanted, source.readableLength || wanted)) ??
      source.read()) as Buffer | null;
    if (chunk === null) {
      if (source.readableEnded || source.complete) response.end();
      answer.credit = Math.min(answer.credit, 1_000_000);
      break;
    }
    answer.credit -= chunk.length;
    sent += chunk.length;
    response.write(chunk);
  }
  return sent;
}
