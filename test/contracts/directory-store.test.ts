import { directoryStore } from '../support/directory-store.ts';
import { storeContract } from './store.contract.ts';

storeContract('a directory', directoryStore);
