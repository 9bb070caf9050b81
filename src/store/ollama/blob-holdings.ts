import type { ContentDigests } from '../../model/digest.ts';
import type { Holding } from '../../model/plan.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { PartsDirectory } from '../parts/parts-directory.ts';
import type { HashRecords } from '../records/hash-records.ts';
import { stampedFile } from '../records/stamp.ts';
import { blobName, type OllamaPaths } from './ollama-paths.ts';

/** A blob of the right size. */
interface Found {
  /** Absolute. */
  readonly path: string;
  readonly stamp: string;
}

/** The sha256 in the blob's name; undefined if the file has none. */
export function blobHex({ digest }: RemoteFile): string | undefined {
  return digest?.algorithm === 'sha256' ? digest.hex : undefined;
}

/** Looks among our waiting blobs, then among Ollama's. `another` if the name is taken by a file of another size. */
export function findBlob(paths: OllamaPaths, hex: string, size: number): Found | 'another' | undefined {
  let isTaken = false;
  for (const path of [paths.waitingBlob(hex), paths.blob(hex)]) {
    const found = stampedFile(path);
    if (found?.size === size) return { path, stamp: found.stamp };
    isTaken ||= found !== undefined;
  }
  return isTaken ? 'another' : undefined;
}

/**
 * Which blobs of a model the store holds. Ollama trusts the name of a blob; this hashes it once, and then trusts our
 * own record as long as the file has not changed. Read-only.
 */
export class BlobHoldings {
  /** Hashes of the blobs that are recognised as right, by their hex digits. */
  readonly recognised: Map<string, ContentDigests> = new Map();
  /** Stamps of the blobs that must be hashed, taken before they are read, by their hex digits. */
  readonly candidates: Map<string, string> = new Map();
  readonly #paths: OllamaPaths;
  readonly #parts: PartsDirectory;
  readonly #records: HashRecords;
  readonly #partNames: ReadonlySet<string>;

  constructor(paths: OllamaPaths, parts: PartsDirectory, records: HashRecords) {
    this.#paths = paths;
    this.#parts = parts;
    this.#records = records;
    this.#partNames = parts.names();
  }

  of(file: RemoteFile): Holding {
    const part = this.#parts.held(file, this.#partNames);
    const hex = blobHex(file);
    const found = hex === undefined ? undefined : findBlob(this.#paths, hex, file.size);
    if (found === 'another') return { kind: 'different', part };
    if (hex === undefined || found === undefined)
      return part.length > 0 ? { kind: 'part', part } : { kind: 'nothing' };
    const known = this.#records.find(blobName(hex), found.stamp);
    if (known === undefined) {
      this.candidates.set(hex, found.stamp);
      return { kind: 'candidate', part };
    }
    if (known.sha256 !== hex) return { kind: 'different', part };
    this.recognised.set(hex, known);
    return { kind: 'whole' };
  }
}
