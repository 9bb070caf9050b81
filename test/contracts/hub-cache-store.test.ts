import { hubCacheStore } from '../support/hub-cache-store.ts';
import { storeContract } from './store.contract.ts';

storeContract('a central cache', hubCacheStore);
storeContract('a central cache without links', (options) => hubCacheStore({ ...options, links: false }));
