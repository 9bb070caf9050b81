import { MemoryTransport } from '../../src/transfer/transport/memory-transport.ts';
import { bytes } from '../support/store-kit.ts';
import { rangeTransportContract, SIZE } from './range-transport.contract.ts';

const content = bytes(SIZE, 3);

rangeTransportContract('MemoryTransport', async () => ({
  transport: new MemoryTransport(),
  location: { kind: 'memory', bytes: content },
  gone: { kind: 'memory', bytes: new Uint8Array() },
  content,
  [Symbol.asyncDispose]: async () => {},
}));
