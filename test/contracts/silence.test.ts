import { readBody } from '../../src/http/body.ts';
import { Dialer } from '../../src/http/dialer.ts';
import { HttpClient } from '../../src/http/request.ts';
import { systemClock } from '../../src/system/clock.ts';
import { CoreTransport } from '../../src/transfer/core-transport.ts';
import { RawTransport } from '../../src/transfer/raw-transport.ts';
import { compiled } from '../support/compiled.ts';
import { askWith, type Surroundings, silenceContract } from './silence.contract.ts';

const module = new URL('transfer/thread-transport.js', compiled()).href;
// Compiled, because its thread needs a compiled file beside it.
const { ThreadTransport } = (await import(module)) as typeof import('../../src/transfer/thread-transport.ts');

function optionsOf({ stallTimeoutMs, network, lookup }: Surroundings) {
  const clock = systemClock;
  return { userAgent: 'test/1', stallTimeoutMs, clock, network, dialer: new Dialer({ clock, lookup }) };
}

silenceContract('HttpClient', async (surroundings) => {
  const http = new HttpClient(optionsOf(surroundings));
  return {
    ask: async (url, signal) => await readBody(await http.get({ url: new URL(url), signal }), 1e6, signal),
    async [Symbol.asyncDispose]() {
      http.close();
    },
  };
});

silenceContract('CoreTransport', async (surroundings) => {
  const http = new HttpClient(optionsOf(surroundings));
  const transport = new CoreTransport(http, systemClock);
  return {
    ask: (url, signal) => askWith(transport, url, signal),
    async [Symbol.asyncDispose]() {
      http.close();
    },
  };
});

silenceContract('RawTransport', async (surroundings) => {
  const options = optionsOf(surroundings);
  const transport = new RawTransport({ ...options, limiter: undefined, trace: () => {} });
  return {
    ask: (url, signal) => askWith(transport, url, signal),
    async [Symbol.asyncDispose]() {
      transport.close();
    },
  };
});

for (const choice of ['core', 'raw'] as const) {
  silenceContract(
    `ThreadTransport with ${choice}`,
    async ({ stallTimeoutMs, network }) => {
      const transport = new ThreadTransport({
        userAgent: 'test/1',
        stallTimeoutMs,
        network,
        choice,
        bytesPerSecond: undefined,
        maxThreads: 1,
        trace: () => {},
      });
      return {
        ask: (url, signal) => askWith(transport, url, signal),
        [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
      };
    },
    { replacesLookup: false },
  );
}
