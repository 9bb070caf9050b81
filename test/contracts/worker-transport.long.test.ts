import { runSettings } from '../../src/operations/options.ts';
import type { TransportChoice } from '../../src/transfer/transfer-settings.ts';
import type { Transport } from '../../src/transfer/transport/transport.ts';
import { compiled } from '../support/compiled.ts';
import { httpRangeContract, transportContract } from './transport.contract.ts';

const module = new URL('transfer/transport/worker/worker-transport.js', compiled()).href;
// Compiled, because its thread needs a compiled file beside it.
const { WorkerTransport } = (await import(
  module
)) as typeof import('../../src/transfer/transport/worker/worker-transport.ts');

/** What is asked for nothing answers as soon as the thread runs. */
function started(transport: Transport): Promise<void> {
  const location = {
    kind: 'http' as const,
    url: 'http://127.0.0.1:1',
    authorization: undefined,
    expiresAt: undefined,
    ranges: 'any' as const,
  };
  return transport.bring(
    { location, path: 'none', fileSize: 0, window: { position: 0, end: 0 }, descriptor: -1 },
    { wrote: () => {}, wholeFile: () => {}, movedTo: () => {} },
    new AbortController().signal,
  );
}

const make =
  (choice: TransportChoice, workers = 1) =>
  async (wishes: { readonly stallTimeoutMs: number }) => {
    const transport = new WorkerTransport({
      userAgent: 'fetch-test/1',
      settings: runSettings({ ...wishes, transport: choice }).transfer,
      maxWorkers: workers,
      startsAll: workers > 1,
      trace: () => {},
    });
    await started(transport);
    return { transport, [Symbol.dispose]: () => void transport[Symbol.asyncDispose]() };
  };

// What the program uses: all that a transport over HTTP promises holds in another thread too.
transportContract('WorkerTransport with auto', make('auto'), { requestsPerSurprise: 2, hearsLate: true });
// Each worker learns by itself that a host is odd.
httpRangeContract('WorkerTransport with three workers', make('raw', 3), { hearsLate: true });

// In this thread, each of these keeps the whole contract: node-http-transport.test.ts, socket-transport.test.ts.
for (const choice of ['core', 'raw'] as const) {
  httpRangeContract(`WorkerTransport with ${choice}`, make(choice), { hearsLate: true });
}
