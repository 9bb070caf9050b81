import { HttpClient } from '../../src/http/client.ts';
import { systemClock } from '../../src/system/clock.ts';
import { AdaptiveTransport } from '../../src/transfer/transport/adaptive-transport.ts';
import { NodeHttpTransport } from '../../src/transfer/transport/node-http-transport.ts';
import { UnsupportedResponse } from '../../src/transfer/transport/socket/socket-exchange.ts';
import { SocketTransport } from '../../src/transfer/transport/socket/socket-transport.ts';
import { transportContract } from './transport.contract.ts';

interface Wishes {
  readonly stallTimeoutMs: number;
}

function raw({ stallTimeoutMs }: Wishes): SocketTransport {
  const userAgent = 'fetch-test/1';
  return new SocketTransport({
    userAgent,
    stallTimeoutMs,
    clock: systemClock,
    limiter: undefined,
    trace: () => {},
  });
}

transportContract(
  'SocketTransport',
  (wishes) => {
    const transport = raw(wishes);
    return { transport, [Symbol.dispose]: () => transport.close() };
  },
  { oddAnswer: (error) => error instanceof UnsupportedResponse },
);

// The other way, the careful one first, is that of worker-transport.long.test.ts.
transportContract(
  'AdaptiveTransport, the socket first,',
  (wishes) => {
    const { stallTimeoutMs } = wishes;
    const http = new HttpClient({ userAgent: 'fetch-test/1', stallTimeoutMs, clock: systemClock });
    const core = new NodeHttpTransport(http, systemClock);
    const socket = raw(wishes);
    return {
      transport: new AdaptiveTransport(core, socket, { trustAll: true, clock: systemClock, trace: () => {} }),
      [Symbol.dispose]: () => {
        http.close();
        socket.close();
      },
    };
  },
  { requestsPerSurprise: 2 },
);
