import { type ContentDigests, contentMatches } from '../../model/digest.ts';
import type { Holding } from '../../model/plan.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { PartsDirectory } from '../parts/parts-directory.ts';
import { localPath } from '../paths/safe-path.ts';
import type { HashRecords } from '../records/hash-records.ts';
import type { Manifest, ManifestEntry } from '../records/manifest.ts';
import { stampedFile } from '../records/stamp.ts';

export interface HoldingsOptions {
  readonly directory: string;
  readonly commit: string;
  readonly parts: PartsDirectory;
  readonly manifest: Manifest | undefined;
  readonly records: HashRecords;
}

/**
 * Compares the files of a revision with what the directory holds. Accepts without reading only files that we hashed and
 * that have not changed since; files that only other programs recorded are read once. Read-only.
 */
export class Holdings {
  /** Hashes of the files that are recognised as whole, by path. */
  readonly recognised: Map<string, ContentDigests> = new Map();
  /** Stamps of the files that must be hashed, taken before they are read, by path. */
  readonly candidates: Map<string, string> = new Map();
  readonly #options: HoldingsOptions;
  readonly #entries: ReadonlyMap<string, ManifestEntry>;
  readonly #partNames: ReadonlySet<string>;

  constructor(options: HoldingsOptions) {
    this.#options = options;
    this.#entries = new Map(options.manifest?.files.map((file) => [file.path, file]));
    this.#partNames = options.parts.names();
  }

  of(file: RemoteFile): Holding {
    const found = stampedFile(localPath(this.#options.directory, file.path));
    if (found !== undefined && found.size === file.size) {
      const known = this.#recognise(file, found.stamp);
      if (known === 'another content') return { kind: 'different', part: this.#part(file) };
      if (known === undefined) {
        this.candidates.set(file.path, found.stamp);
        return { kind: 'candidate', part: this.#part(file) };
      }
      this.recognised.set(file.path, known);
      return { kind: 'whole' };
    }
    const part = this.#part(file);
    if (found !== undefined) return { kind: 'different', part };
    return part.length > 0 ? { kind: 'part', part } : { kind: 'nothing' };
  }

  /** The hashes from our own record, if the file has not changed since. Undefined if the file must be hashed. */
  #recognise(file: RemoteFile, stamp: string): ContentDigests | 'another content' | undefined {
    const { commit, manifest, records } = this.#options;
    const known = records.find(file.path, stamp);
    if (file.digest === undefined) {
      // A file without a digest is recognised only by our own record of the same commit.
      const listed = manifest?.commit === commit ? this.#entries.get(file.path)?.sha256 : undefined;
      return known !== undefined && known.sha256 === listed ? known : 'another content';
    }
    if (known === undefined) return undefined;
    if (file.digest.algorithm === 'git-sha1' && known.gitSha1 === undefined) return undefined;
    return contentMatches(known, file) ? known : 'another content';
  }

  #part(file: RemoteFile): ReturnType<PartsDirectory['held']> {
    return this.#options.parts.held(file, this.#partNames);
  }
}
