import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ensureDirectory } from '../../system/disk/make-directory.ts';
import { writeAtomically } from '../../system/disk/write-atomically.ts';
import { type ChunkRecord, decodeChunkRecord, encodeChunkRecord } from './chunk-record.ts';

/** Below the directory of our own state. */
export const CHUNKS_DIRECTORY = 'chunks';
/** Enough for a file of 1 TB with chunks of half the usual length. */
const MAX_RECORD_BYTES = 256 * 1024 * 1024;
/** The oldest go first. */
const MAX_RECORDS = 1000;

/** The chunks of files that came as chunks: one record each, named by the Xet hash of the file. */
export class ChunkRecords {
  readonly #directory: string;

  /** `directory` is for these records alone; it need not exist. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Undefined if there is none, or a damaged one. */
  find(xetHash: string): ChunkRecord | undefined {
    const path = join(this.#directory, xetHash);
    try {
      if (statSync(path).size > MAX_RECORD_BYTES) return undefined;
      const record = decodeChunkRecord(readFileSync(path));
      return record?.xetHash === xetHash ? record : undefined;
    } catch {
      return undefined;
    }
  }

  /** Fails silently: without a record the next update takes longer, and that is all. */
  async add(record: ChunkRecord): Promise<void> {
    try {
      await ensureDirectory(this.#directory);
      await writeAtomically(join(this.#directory, record.xetHash), encodeChunkRecord(record));
      this.#tidy();
    } catch {
      // A full disk, or a directory that must not be written.
    }
  }

  #tidy(): void {
    const names = readdirSync(this.#directory);
    if (names.length <= MAX_RECORDS) return;
    const byAge = names
      .map((name) => ({ name, time: statSync(join(this.#directory, name)).mtimeMs }))
      .sort((left, right) => left.time - right.time);
    for (const { name } of byAge.slice(0, names.length - MAX_RECORDS))
      rmSync(join(this.#directory, name), { force: true });
  }
}
