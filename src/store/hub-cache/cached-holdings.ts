import { type ContentDigests, contentMatches } from '../../model/digest.ts';
import type { Holding } from '../../model/plan.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { PartsDirectory } from '../parts/parts-directory.ts';
import { localPath } from '../paths/safe-path.ts';
import type { HashRecords } from '../records/hash-records.ts';
import type { Manifest, ManifestEntry } from '../records/manifest.ts';
import { stampOf } from '../records/stamp.ts';
import type { CachePaths } from './cache-paths.ts';
import { blobFile, snapshotEntry } from './snapshot-entry.ts';

export interface CachedHoldingsOptions {
  readonly places: CachePaths;
  readonly commit: string;
  readonly parts: PartsDirectory;
  readonly manifest: Manifest | undefined;
  readonly records: HashRecords;
}

/** A content of the right size. */
interface Content {
  readonly path: string;
  /** How our records call it. */
  readonly name: string;
  readonly stamp: string;
  /** The snapshot has it under the name of the file. */
  readonly named: boolean;
}

/**
 * What a cache holds of the files of a revision. Without reading, it accepts only what we hashed ourselves and what was not
 * changed since: the name of a blob is no proof. Read-only.
 */
export class CachedHoldings {
  /** The sha256 of files that were recognised as whole, by path. */
  readonly recognised: Map<string, string> = new Map();
  /** Stamps of the contents that must be read, as they are before that, by path. */
  readonly candidates: Map<string, string> = new Map();
  readonly #options: CachedHoldingsOptions;
  readonly #entries: ReadonlyMap<string, ManifestEntry>;
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
    const known = content.named ? this.#recognise(file, content) : undefined;
    if (known === 'another') return { kind: 'different', part };
    if (known === undefined) {
      this.candidates.set(file.path, content.stamp);
      return { kind: 'candidate', part };
    }
    this.recognised.set(file.path, known.sha256);
    return { kind: 'whole' };
  }

  /** The hashes by our own record, if the content was not touched since. Undefined if only reading tells. */
  #recognise(file: RemoteFile, { name, stamp }: Content): ContentDigests | 'another' | undefined {
    const known = this.#options.records.find(name, stamp);
    if (file.digest === undefined) {
      // Without a hash only our own records of this commit tell one content from another.
      return known !== undefined && known.sha256 === this.#entries.get(file.path)?.sha256 ? known : 'another';
    }
    if (known === undefined) return undefined;
    if (file.digest.algorithm === 'git-sha1' && known.gitSha1 === undefined) return undefined;
    return contentMatches(known, file) ? known : 'another';
  }
}

/**
 * Looks under the name of the file, then among the blobs. `another` if the name is taken by something that
 * cannot be the content.
 */
export function findContent(
  places: CachePaths,
  commit: string,
  { path, size, digest }: RemoteFile,
): Content | 'another' | undefined {
  const named = localPath(places.snapshot(commit), path);
  const entry = snapshotEntry(places, named);
  const isBlob = entry.kind === 'blob' && entry.name === digest?.hex;
  const fits = (entry.kind === 'file' || entry.kind === 'blob') && Number(entry.found.size) === size;
  if (!isBlob && digest !== undefined) {
    const blob = blobFile(places, digest.hex);
    if (blob !== undefined && Number(blob.size) === size && !(fits && entry.kind === 'file')) {
      const at = places.blob(digest.hex);
      return { path: at, name: `blobs/${digest.hex}`, stamp: stampOf(blob), named: false };
    }
  }
  if (!fits) return entry.kind === 'nothing' ? undefined : 'another';
  const name = entry.kind === 'blob' ? `blobs/${entry.name}` : `snapshots/${commit}/${path}`;
  const at = entry.kind === 'blob' ? places.blob(entry.name) : named;
  return { path: at, name, stamp: stampOf(entry.found), named: true };
}
