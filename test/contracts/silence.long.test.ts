import { readBody } from '../../src/http/body.ts';
import { HttpClient } from '../../src/http/client.ts';
import { Dialer } from '../../src/http/dialer.ts';
import { runSettings } from '../../src/operations/options.ts';
import { systemClock } from '../../src/system/clock.ts';
import { NodeHttpTransport } from '../../src/transfer/transport/node-http-transport.ts';
import { SocketTransport } from '../../src/transfer/transport/socket/socket-transport.ts';
import { compiled } from '../support/compiled.ts';
import { askWith, silenceContract, type TestNetwork } from './silence.contract.ts';

const module = new URL('transfer/transport/worker/worker-transport.js', compiled()).href;
// Compiled, because its thread needs a compiled file beside it.
const { WorkerTransport } = (await import(
  module
)) as typeof import('../../src/transfer/transport/worker/worker-transport.ts');

function optionsOf({ stallTimeoutMs, network, lookup }: TestNetwork) {
  const clock = systemClock;
  return { userAgent: 'test/1', stallTimeoutMs, clock, network, dialer: new Dialer({ clock, lookup }) };
}

silenceContract('HttpClient', async (hubEnvironment) => {
  const http = new HttpClient(optionsOf(hubEnvironment));
  return {
    ask: async (url, signal) => await readBody(await http.get({ url: new URL(url), signal }), 1e6, signal),
    async [Symbol.asyncDispose]() {
      http.close();
    },
  };
});

silenceContract(
  'NodeHttpTransport',
  async (hubEnvironment) => {
    const http = new HttpClient(optionsOf(hubEnvironment));
    const transport = new NodeHttpTransport(http, systemClock);
    return {
      ask: (url, signal) => askWith(transport, url, signal),
      async [Symbol.asyncDispose]() {
        http.close();
      },
    };
  },
  { handsOn: true },
);

silenceContract('SocketTransport', async (hubEnvironment) => {
  const options = optionsOf(hubEnvironment);
  const transport = new SocketTransport({ ...options, limiter: undefined, trace: () => {} });
  return {
    ask: (url, signal) => askWith(transport, url, signal),
    async [Symbol.asyncDispose]() {
      transport.close();
    },
  };
});

for (const choice of ['core', 'raw'] as const) {
  silenceContract(
    `WorkerTransport with ${choice}`,
    async ({ stallTimeoutMs, network }) => {
      const transport = new WorkerTransport({
        userAgent: 'test/1',
        settings: runSettings({ stallTimeoutMs, network, transport: choice }).transfer,
        maxWorkers: 1,
        trace: () => {},
      });
      return {
        ask: (url, signal) => askWith(transport, url, signal),
        [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
      };
    },
    { handsOn: true },
  );
}
