import type { Revision } from '../../src/model/repo.ts';
import { OllamaStore } from '../../src/store/ollama/ollama-store.ts';
import type { OllamaName } from '../../src/store/ollama-name.ts';
import { Flush } from '../../src/system/disk/flush.ts';
import type { ProcessContext } from '../../src/system/process-identity.ts';
import { lockContext, revision } from './store-kit.ts';

/** `mixtral:8x7b` of Ollama's own registry. */
export const MIXTRAL: OllamaName = {
  host: 'registry.ollama.ai',
  namespace: 'library',
  model: 'mixtral',
  tag: '8x7b',
};

export const MANIFEST: Buffer = Buffer.from('{"schemaVersion": 2, "layers": [ ]}');

export interface OllamaStoreSettings {
  /** The root of the store. */
  readonly directory: string;
  readonly name?: OllamaName;
  readonly manifest?: Uint8Array;
  readonly revision?: Revision;
  readonly lock?: ProcessContext;
  readonly flush?: Flush;
}

export function ollamaStore({ directory, ...settings }: OllamaStoreSettings): OllamaStore {
  return new OllamaStore({
    models: directory,
    name: MIXTRAL,
    manifest: MANIFEST,
    revision: revision(),
    lock: lockContext(),
    flush: new Flush(),
    platform: process.platform === 'win32' ? 'win32' : 'posix',
    ...settings,
  });
}
