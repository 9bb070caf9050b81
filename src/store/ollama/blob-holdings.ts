import type { ContentDigests } from '../../model/digest.ts';
import type { Holding } from '../../model/plan.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { PartsDirectory } from '../parts/parts-directory.ts';
import type { HashRecords } from '../records/hash-records.ts';
import { stampedFile } from '../records/stamp.ts';
import { blobName, type OllamaPaths } from './ollama-paths.ts';

/** Where a blob of the right size stands. */
interface Found {
  /** Absolute. */
  readonly path: string;
  readonly stamp: string;
}

/** The sha256 that names the blob of a file; undefined if the file has none. */
export function blobHex({ digest }: RemoteFile): string | undefined {
  return digest?.algorithm === 'sha256' ? digest.hex : undefined;
}

/** Among the waiting blobs, which are ours, then among those of Ollama. `another` if the name is taken by another size. */
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
 * What a store of Ollama holds of the blobs of a model. Ollama takes a blob by its name; this reads it once, and after
 * that believes its own record for as long as nothing has touched the file. Read-only.
 */
export class BlobHoldings {
  /** The hashes of blobs that were recognised as right, by their hex. */
  readonly recognised: Map<string, ContentDigests> = new Map();
  /** Stamps of the blobs that must be read, as they are before that, by their hex. */
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
