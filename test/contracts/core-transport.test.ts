import { HttpClient } from '../../src/http/request.ts';
import { systemClock } from '../../src/system/clock.ts';
import { CoreTransport } from '../../src/transfer/core-transport.ts';
import { transportContract } from './transport.contract.ts';

transportContract('CoreTransport', ({ stallTimeoutMs }) => {
  const http = new HttpClient({ userAgent: 'fetch-test/1', stallTimeoutMs, clock: systemClock });
  return { transport: new CoreTransport(http, systemClock), [Symbol.dispose]: () => http.close() };
});
