import { compiled } from '../support/compiled.ts';
import { transportContract } from './transport.contract.ts';

const module = new URL('transfer/thread-transport.js', compiled()).href;
// Compiled, because its thread needs a compiled file beside it.
const { ThreadTransport } = (await import(module)) as typeof import('../../src/transfer/thread-transport.ts');

for (const choice of ['core', 'raw', 'auto'] as const) {
  transportContract(
    `ThreadTransport with ${choice}`,
    ({ stallTimeoutMs }) => {
      const transport = new ThreadTransport({
        userAgent: 'fetch-test/1',
        stallTimeoutMs,
        choice,
        bytesPerSecond: undefined,
        maxThreads: 1,
        trace: () => {},
      });
      transport.warmUp();
      return { transport, [Symbol.dispose]: () => void transport[Symbol.asyncDispose]() };
    },
    { requestsPerSurprise: choice === 'raw' ? 2 : 1 },
  );
}
