import type { Holding } from '../../model/plan.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { Manifest, ManifestFile } from '../manifest.ts';
import type { PartsFolder } from '../parts-folder.ts';
import { localPath } from '../safe-path.ts';
import type { CachePlaces } from './cache-places.ts';
import { blobFile, snapshotEntry } from './snapshot-entry.ts';

export interface CachedHoldingsOptions {
  readonly places: CachePlaces;
  readonly commit: string;
  readonly parts: PartsFolder;
  readonly manifest: Manifest | undefined;
  /** When the manifest was written. */
  readonly manifestMs: number;
}

/** Where a content of the right size stands. */
interface Content {
  readonly path: string;
  readonly modifiedMs: number;
  /** The snapshot has it under the name of the file. */
  readonly named: boolean;
  /** It is the blob that bears the hash which the hub lists. */
  readonly isBlob: boolean;
}

/** What a cache has of the files of a revision. Recognises files without reading them, and only looks. */
export class CachedHoldings {
  /** The sha256 of files that were recognised as whole, by path. */
  readonly recognised: Map<string, string> = new Map();
  readonly #options: CachedHoldingsOptions;
  readonly #entries: ReadonlyMap<string, ManifestFile>;
  readonly #partNames: ReadonlySet<string>;

  constructor(options: CachedHoldingsOptions) {
    this.#options = options;
    this.#entries = new Map(options.manifest?.files.map((file) => [file.path, file]));
    this.#partNames = options.parts.names();
  }

  of(file: RemoteFile): Holding {
    const { places, commit, parts } = this.#options;
    const content = findContent(places, commit, file);
    const part = parts.held(file, this.#partNames);
    if (content === 'another') return { kind: 'different', part };
    if (content === undefined) return part.length > 0 ? { kind: 'part', part } : { kind: 'nothing' };
    const sha256 = this.#recognise(file, content);
    if (sha256 === undefined) return { kind: 'candidate', part };
    this.recognised.set(file.path, sha256);
    return { kind: 'whole' };
  }

  /** The sha256 by our own record of this commit, or by the name of the blob. Undefined if only reading tells. */
  #recognise({ path, size, digest }: RemoteFile, content: Content): string | undefined {
    if (!content.named) return undefined;
    const entry = this.#entries.get(path);
    if (entry === undefined) {
      return content.isBlob && digest?.algorithm === 'sha256' ? digest.hex : undefined;
    }
    const same = entry.size === size && (digest === undefined || digest.hex === entry.oid);
    return same && content.modifiedMs <= this.#options.manifestMs ? entry.sha256 : undefined;
  }
}

/**
 * Looks under the name of the file, then among the blobs. `another` if the name is taken by something that
 * cannot be the content.
 */
export function findContent(
  places: CachePlaces,
  commit: string,
  { path, size, digest }: RemoteFile,
): Content | 'another' | undefined {
  const named = localPath(places.snapshot(commit), path);
  const entry = snapshotEntry(places, named);
  const isBlob = entry.kind === 'blob' && entry.name === digest?.hex;
  const fits = (entry.kind === 'file' || entry.kind === 'blob') && entry.found.size === size;
  if (!isBlob && digest !== undefined) {
    const blob = blobFile(places, digest.hex);
    if (blob?.size === size && !(fits && entry.kind === 'file')) {
      return { path: places.blob(digest.hex), modifiedMs: blob.mtimeMs, named: false, isBlob: true };
    }
  }
  if (fits) return { path: named, modifiedMs: entry.found.mtimeMs, named: true, isBlob };
  return entry.kind === 'nothing' ? undefined : 'another';
}
