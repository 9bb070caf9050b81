import { ollamaStore } from '../support/ollama-store.ts';
import { storeContract } from './store.contract.ts';

storeContract('a store of Ollama', ollamaStore, { bySha256: true });
