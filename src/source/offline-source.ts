import { FetchError } from '../model/error.ts';
import type { Source } from './source.ts';

/** Stands in for a source in a run without network: every request fails with an error that says so. */
export function offlineSource(kind: string): Source {
  return {
    kind,
    traits: { branches: true, scan: false, read: true },
    resolve: async () => refuse(),
    list: () => refuse(),
    locate: async () => refuse(),
    branches: async () => refuse(),
    read: async () => refuse(),
  };
}

function refuse(): never {
  throw new FetchError('NETWORK', 'the hub would have to be asked, and this run is offline', {
    hint: 'Leave --offline out, and see that HF_HUB_OFFLINE and TRANSFORMERS_OFFLINE are not set.',
  });
}
