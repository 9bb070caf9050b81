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
  readonly paths: CachePaths;
  readonly commit: string;
  readonly parts: PartsDirectory;
  readonly manifest: Manifest | undefined;
  readonly records: HashRecords;
}

/** A file with the right size. */
interface Content {
  readonly path: string;
  /** Its key in our hash records. */
  readonly name: string;
  readonly stamp: string;
  /** Whether the snapshot has it under the name of the file. */
  readonly named: boolean;
}

/**
 * Compares the files of a revision with what the cache holds. Accepts without reading only files that we hashed and that
 * have not changed since: the name of a blob proves nothing. Read-only.
 */
export class CachedHoldings {
  /** The sha256 of files that are recognised as whole, by path. */
  readonly recognised: Map<string, string> = new Map();
  /** Stamps of the contents that must be hashed, taken before they are read, by path. */
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
    const { paths, commit, parts } = this.#options;
    const content = findContent(paths, commit, file);
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

  /** The hashes from our own record, if the content has not changed since. Undefined if it must be hashed. */
  #recognise(file: RemoteFile, { name, stamp }: Content): ContentDigests | 'another' | undefined {
    const known = this.#options.records.find(name, stamp);
    if (file.digest === undefined) {
      // A file without a digest is recognised only by our own record of this commit.
      return known !== undefined && known.sha256 === this.#entries.get(file.path)?.sha256 ? known : 'another';
    }
    if (known === undefined) return undefined;
    if (file.digest.algorithm === 'git-sha1' && known.gitSha1 === undefined) return undefined;
    return contentMatches(known, file) ? known : 'another';
  }
}

/** Looks under the name of the file, then among the blobs. `another` if the name is taken by another content. */
export function findContent(
  paths: CachePaths,
  commit: string,
  { path, size, digest }: RemoteFile,
): Content | 'another' | undefined {
  const named = localPath(paths.snapshot(commit), path);
  const entry = snapshotEntry(paths, named);
  const isBlob = entry.kind === 'blob' && entry.name === digest?.hex;
  const fits = (entry.kind === 'file' || entry.kind === 'blob') && Number(entry.found.size) === size;
  if (!isBlob && digest !== undefined) {
    const blob = blobFile(paths, digest.hex);
    if (blob !== undefined && Number(blob.size) === size && !(fits && entry.kind === 'file')) {
      const at = paths.blob(digest.hex);
      return { path: at, name: `blobs/${digest.hex}`, stamp: stampOf(blob), named: false };
    }
  }
  if (!fits) return entry.kind === 'nothing' ? undefined : 'another';
  const name = entry.kind === 'blob' ? `blobs/${entry.name}` : `snapshots/${commit}/${path}`;
  const at = entry.kind === 'blob' ? paths.blob(entry.name) : named;
  return { path: at, name, stamp: stampOf(entry.found), named: true };
}
