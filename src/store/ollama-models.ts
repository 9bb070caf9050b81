import type { RemoteFile } from '../model/remote-file.ts';
import { blobHex } from './ollama/blob-holdings.ts';
import { readInstalled } from './ollama/installed-manifest.ts';
import { blobName, OllamaPaths } from './ollama/ollama-paths.ts';
import { OllamaStore, type OllamaStoreOptions } from './ollama/ollama-store.ts';
import type { OllamaName } from './ollama-name.ts';
import { HashRecords } from './records/hash-records.ts';
import type { Store } from './store.ts';

/** The store of Ollama, for a run that installs one model. */
export interface OllamaModelStore extends Store {
  /** Whether the store has this manifest already, byte for byte. */
  readonly hasManifest: boolean;
}

/** Opens the store of a run. Writes nothing yet. */
export function openOllamaStore(options: OllamaStoreOptions): OllamaModelStore {
  return new OllamaStore(options);
}

/** One model in a store of Ollama. */
export interface InstalledModel {
  /** Absolute. */
  readonly manifestPath: string;
  /** The bytes of the manifest; undefined if it is not there. Throws INTEGRITY if it is too large. */
  readonly manifest: () => Buffer | undefined;
  /** The hashes that we recorded for the store. Reads nothing yet. */
  readonly hashes: () => HashRecords;
}

/** Looks for a model in the store at `models`. `name` must be a valid name of Ollama. */
export function installedIn(models: string, name: OllamaName): InstalledModel {
  const paths = new OllamaPaths(models, name);
  return {
    manifestPath: paths.manifest,
    manifest: () => readInstalled(paths),
    hashes: () => new HashRecords(paths.state, paths.id),
  };
}

/** Path of a file's blob relative to the store, with `/`. The file must have a sha256. */
export function blobPath(file: RemoteFile): string {
  return blobName(blobHex(file) ?? '');
}
