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
 * What a directory holds of the files of a revision. Without reading, it accepts what we hashed ourselves and nothing
 * touched since; whatever others say of a file, it is read once. Only looks.
 */
export class Holdings {
  /** The hashes of the files that were recognised as whole, by path. */
  readonly recognised: Map<string, ContentDigests> = new Map();
  /** Stamps of the files that must be read, as they are before that, by path. */
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

  /** By our own record, if the file was not touched since. Undefined if only reading tells. */
  #recognise(file: RemoteFile, stamp: string): ContentDigests | 'another content' | undefined {
    const { commit, manifest, records } = this.#options;
    const known = records.find(file.path, stamp);
    if (file.digest === undefined) {
      // Without a hash only our own records of the same commit tell one content from another.
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
