import type { Holding } from '../../model/plan.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { Manifest, ManifestFile } from '../manifest.ts';
import type { PartsFolder } from '../parts-folder.ts';
import { regularFile } from '../regular-file.ts';
import { localPath } from '../safe-path.ts';
import { type HubMetadata, readHubMetadata, vouchesFor } from './hub-metadata.ts';

/** What is known of a file that is right. */
export interface KnownFile {
  readonly sha256: string;
  /** The record by which it was recognised; undefined if it was hashed, or the manifest told. */
  readonly metadata: HubMetadata | undefined;
}

export interface HoldingsOptions {
  readonly directory: string;
  readonly commit: string;
  readonly parts: PartsFolder;
  readonly manifest: Manifest | undefined;
  /** When the manifest was written. */
  readonly manifestMs: number;
}

/** What a directory has of the files of a revision. Recognises files without reading them, and only looks. */
export class Holdings {
  /** The files that were recognised as whole, by path. */
  readonly recognised: Map<string, KnownFile> = new Map();
  readonly #options: HoldingsOptions;
  readonly #entries: ReadonlyMap<string, ManifestFile>;
  readonly #partNames: ReadonlySet<string>;

  constructor(options: HoldingsOptions) {
    this.#options = options;
    this.#entries = new Map(options.manifest?.files.map((file) => [file.path, file]));
    this.#partNames = options.parts.names();
  }

  of(file: RemoteFile): Holding {
    const found = regularFile(localPath(this.#options.directory, file.path));
    if (found !== undefined && found.size === file.size) {
      const known = this.#recognise(file, found.mtimeMs);
      if (known === 'another content') return { kind: 'different', part: this.#part(file) };
      if (known === undefined) return { kind: 'candidate', part: this.#part(file) };
      this.recognised.set(file.path, known);
      return { kind: 'whole' };
    }
    const part = this.#part(file);
    if (found !== undefined) return { kind: 'different', part };
    return part.length > 0 ? { kind: 'part', part } : { kind: 'nothing' };
  }

  /** By the records of whoever brought the file, if it was not touched since. Undefined if only reading tells. */
  #recognise({ path, digest }: RemoteFile, modifiedMs: number): KnownFile | 'another content' | undefined {
    const { directory, commit, manifest, manifestMs } = this.#options;
    const entry = this.#entries.get(path);
    if (digest === undefined) {
      // Without a hash only our own record of the same commit tells one content from another.
      const same = entry !== undefined && manifest?.commit === commit && modifiedMs <= manifestMs;
      return same ? { sha256: entry.sha256, metadata: undefined } : 'another content';
    }
    const metadata = readHubMetadata(directory, path);
    if (metadata === undefined || !vouchesFor(metadata, metadata.etag, modifiedMs)) return undefined;
    if (metadata.etag === digest.hex) {
      if (digest.algorithm === 'sha256') return { sha256: digest.hex, metadata };
      return entry?.oid === digest.hex ? { sha256: entry.sha256, metadata } : undefined;
    }
    // Another hash of the same kind: branches often differ in files of one size. Mirrors make other tags up.
    return metadata.etag.length === digest.hex.length && /^[0-9a-f]+$/.test(metadata.etag)
      ? 'another content'
      : undefined;
  }

  #part(file: RemoteFile): ReturnType<PartsFolder['held']> {
    return this.#options.parts.held(file, this.#partNames);
  }
}
