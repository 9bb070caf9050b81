import { contentMatches } from '../../model/digest.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { ContentIndex, LocalContent } from '../content-index.ts';
import { ifReadable } from '../if-readable.ts';
import { findParts, type UnfinishedContent } from '../parts/find-parts.ts';
import { isLocalName, localPath } from '../paths/safe-path.ts';
import type { HashRecords } from './hash-records.ts';
import type { ManifestEntry } from './manifest.ts';
import { stampedFile } from './stamp.ts';

export interface RecordedContentsOptions {
  /** Absolute path of the directory that the names of our records are relative to. */
  readonly root: string;
  readonly records: HashRecords;
  /** Absolute path of the directory of unfinished files. */
  readonly parts: string;
  /** The manifest entries whose paths are relative to `root`. */
  readonly entries: () => readonly ManifestEntry[];
  /** Further names that may hold the content of a file. */
  readonly candidates: (file: RemoteFile) => readonly string[];
}

/** An index over the records of a layout: manifest, hash records, and journals of parts. */
export class RecordedContents implements ContentIndex {
  readonly #options: RecordedContentsOptions;
  /** Names by the hex digits of their digests. */
  #names: ReadonlyMap<string, ReadonlySet<string>> | undefined;
  /** By `ALGORITHM:HEX`. */
  #parts: ReadonlyMap<string, readonly UnfinishedContent[]> | undefined;

  constructor(options: RecordedContentsOptions) {
    this.#options = options;
  }

  find(file: RemoteFile): readonly LocalContent[] {
    const { digest, size } = file;
    if (digest === undefined || size === 0) return [];
    this.#names ??= this.#readNames();
    this.#parts ??= findParts(this.#options.parts);
    const names = new Set([
      ...(this.#names.get(digest.hex) ?? []),
      ...(ifReadable(() => this.#options.candidates(file)) ?? []),
    ]);
    const finished = [...names].flatMap((name) => this.#look(name, file) ?? []);
    const unfinished = (this.#parts.get(`${digest.algorithm}:${digest.hex}`) ?? []).filter(
      (part) => part.size === size,
    );
    return [...finished, ...unfinished.map(({ path, ranges }) => ({ path, ranges, verified: false }))];
  }

  #look(name: string, file: RemoteFile): LocalContent | undefined {
    if (!isLocalName(name)) return undefined;
    const path = localPath(this.#options.root, name);
    const found = ifReadable(() => stampedFile(path));
    if (found?.size !== file.size) return undefined;
    const known = this.#options.records.find(name, found.stamp);
    const ranges = [{ start: 0, end: file.size }];
    return { path, ranges, verified: known !== undefined && contentMatches(known, file) };
  }

  #readNames(): Map<string, Set<string>> {
    const names = new Map<string, Set<string>>();
    const enter = (hex: string | undefined, name: string): void => {
      if (hex === undefined) return;
      const known = names.get(hex);
      if (known === undefined) names.set(hex, new Set([name]));
      else known.add(name);
    };
    for (const { path, oid, sha256 } of this.#options.entries()) {
      enter(oid, path);
      enter(sha256, path);
    }
    for (const [name, { sha256, gitSha1 }] of this.#options.records.entries()) {
      enter(sha256, name);
      enter(gitSha1, name);
    }
    return names;
  }
}
