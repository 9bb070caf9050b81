import { HttpClient } from '../../src/http/request.ts';
import { systemClock } from '../../src/system/clock.ts';
import { ChoosingTransport } from '../../src/transfer/choosing-transport.ts';
import { CoreTransport } from '../../src/transfer/core-transport.ts';
import { OddAnswer } from '../../src/transfer/raw-exchange.ts';
import { RawTransport } from '../../src/transfer/raw-transport.ts';
import { transportContract } from './transport.contract.ts';

interface Wishes {
  readonly stallTimeoutMs: number;
}

function raw({ stallTimeoutMs }: Wishes): RawTransport {
  const userAgent = 'fetch-test/1';
  return new RawTransport({
    userAgent,
    stallTimeoutMs,
    clock: systemClock,
    limiter: undefined,
    trace: () => {},
  });
}

function choosing(wishes: Wishes, trustAll: boolean) {
  const { stallTimeoutMs } = wishes;
  const http = new HttpClient({ userAgent: 'fetch-test/1', stallTimeoutMs, clock: systemClock });
  const core = new CoreTransport(http, systemClock);
  const strict = raw(wishes);
  return {
    transport: new ChoosingTransport(core, strict, { trustAll, clock: systemClock, trace: () => {} }),
    [Symbol.dispose]: () => {
      http.close();
      strict.close();
    },
  };
}

transportContract(
  'RawTransport',
  (wishes) => {
    const transport = raw(wishes);
    return { transport, [Symbol.dispose]: () => transport.close() };
  },
  { oddAnswer: (error) => error instanceof OddAnswer },
);

transportContract('ChoosingTransport, strict first,', (wishes) => choosing(wishes, true), {
  requestsPerSurprise: 2,
});

transportContract('ChoosingTransport', (wishes) => choosing(wishes, false), { firstBytes: 256 * 1024 });
