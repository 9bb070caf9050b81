import { createServer, request as httpRequest } from 'node:http';
import { HttpClient, type HttpRequest } from '../../src/http/client.ts';
import { RateLimitGate } from '../../src/http/rate-limit-gate.ts';
import type { FetchError } from '../../src/model/error.ts';
import type { HubConnection } from '../../src/source/hub/hub-api.ts';
import { HubSource } from '../../src/source/hub/hub-source.ts';
import type { Credential } from '../../src/source/source.ts';
import type { RetryPolicy } from '../../src/system/retry.ts';
import { randomNumbers } from './hub/faults/script.ts';
import { InstantClock } from './manual-clock.ts';
import { serve, type TestServer } from './server.ts';

export interface HubSourceOptions {
  readonly stallTimeoutMs?: number;
  readonly endpoint: string;
  readonly token?: Credential;
  readonly policy?: Partial<RetryPolicy>;
  readonly trace?: (request: HttpRequest) => void;
  readonly onNote?: (message: string) => void;
  readonly withNames?: boolean;
}

export interface HubSourceSetup extends Disposable {
  readonly source: HubSource;
  readonly clock: InstantClock;
  /** Failures that were tried again. */
  readonly retried: FetchError[];
  /** Buckets that were found empty, and for how long. */
  readonly holds: [string, number][];
}

/** A HubSource with everything that openSource gives it, on a clock that does not really wait. */
export function makeHubSource(options: HubSourceOptions): HubSourceSetup {
  const clock = new InstantClock();
  const retried: FetchError[] = [];
  const holds: [string, number][] = [];
  const { trace } = options;
  const http = new HttpClient({
    userAgent: 'fetch-test/1',
    stallTimeoutMs: options.stallTimeoutMs ?? 400,
    clock,
    ...(trace === undefined ? {} : { trace }),
  });
  const policy = {
    tries: 4,
    baseDelayMs: 100,
    maxDelayMs: 1000,
    maxServerDelayMs: 600_000,
    ...options.policy,
  };
  const connection: HubConnection = {
    endpoint: options.endpoint,
    token: options.token,
    http,
    clock,
    ...(options.onNote === undefined ? {} : { onNote: options.onNote }),
    gate: new RateLimitGate(clock, (bucket, delay) => holds.push([bucket, delay])),
    retryContext: (_what, signal) => ({
      policy,
      clock,
      random: randomNumbers(7),
      signal,
      onRetry: (error) => retried.push(error),
    }),
  };
  const source = new HubSource(connection, { withNames: options.withNames === true });
  return { source, clock, retried, holds, [Symbol.dispose]: () => http.close() };
}

/** A server that passes everything below `prefix` on to another, as a company's front door does. */
export function serveBehind(prefix: string, target: string): Promise<TestServer> {
  return serve(
    createServer((incoming, outgoing) => {
      if (!incoming.url?.startsWith(`${prefix}/`)) {
        outgoing.writeHead(404).end('nothing but the hub is here');
        return;
      }
      const forwarded = httpRequest(
        `${target}${incoming.url.slice(prefix.length)}`,
        { method: incoming.method, headers: { ...incoming.headers, host: new URL(target).host } },
        (answer) => {
          const { location } = answer.headers;
          const moved = location?.startsWith('/') ? { location: prefix + location } : {};
          outgoing.writeHead(answer.statusCode ?? 502, { ...answer.headers, ...moved });
          answer.pipe(outgoing);
        },
      );
      incoming.pipe(forwarded);
    }),
  );
}
