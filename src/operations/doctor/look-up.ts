import { lookup } from 'node:dns/promises';
import { onAbort } from '../../system/on-abort.ts';

/** Every address of a host name. A look-up that runs cannot be cancelled: an abort rejects without waiting for it. */
export async function lookUpAddresses(host: string, signal: AbortSignal): Promise<readonly string[]> {
  let stop: () => void = () => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = onAbort(signal, () => reject(signal.reason));
  });
  try {
    const found = await Promise.race([lookup(host, { all: true }), aborted]);
    return [...new Set(found.map(({ address }) => address))];
  } finally {
    stop();
  }
}
