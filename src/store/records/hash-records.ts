import { closeSync, constants, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ContentDigests } from '../../model/digest.ts';
import { unlessShort } from '../../system/descriptor-shortage.ts';
import type { Flush } from '../../system/disk/flush.ts';
import { writeAtomically } from '../../system/disk/write-atomically.ts';
import { readRecord, recordNames } from './read-record.ts';

/** The hashes of a file, and its stamp when it was hashed. */
interface HashRecord extends ContentDigests {
  readonly stamp: string;
}

const NAME = 'hashed';
/** With more outdated lines than this, the file is rewritten. */
const MAX_STALE = 1000;
/** Hashing a smaller file again is as fast as writing its record. */
const BIG_BYTES = 1024 * 1024;
const MAX_UNWRITTEN = 32;

/**
 * The hashes that fetch computed, as lines of `["path","stamp","sha256","git blob id" or null]`. They are appended during
 * the run, so that files of a killed run need not be hashed again. A lost or damaged line only costs time. Runs that share
 * a directory write a file each and read all of them.
 */
export class HashRecords {
  readonly #directory: string;
  readonly #file: string;
  #records: Map<string, HashRecord[]> | undefined;
  readonly #unwritten: (readonly [path: string, record: HashRecord])[] = [];
  #lines = 0;
  /** The last line is incomplete: start the next append with a newline. */
  #torn = false;

  /** `share` is a name for one of several runs that work on the same directory. */
  constructor(directory: string, share?: string) {
    this.#directory = directory;
    this.#file = join(directory, `${NAME}${share === undefined ? '' : `-${share}`}.jsonl`);
  }

  /** The hashes of a file that has had this stamp since it was hashed; undefined if it must be hashed. */
  find(path: string, stamp: string): ContentDigests | undefined {
    return this.#all()
      .get(path)
      ?.find((record) => record.stamp === stamp);
  }

  /** The latest hashes of every file on record, by its path. */
  *entries(): Generator<readonly [path: string, hashes: ContentDigests]> {
    for (const [path, [latest]] of this.#all()) yield [path, latest!];
  }

  /** Records the hashes of a file with this stamp: of a big file at once, of small files in batches. */
  add(path: string, stamp: string, { sha256, gitSha1 }: ContentDigests): void {
    const record = { stamp, sha256, gitSha1 };
    // Without a free descriptor, those of earlier runs are read later.
    const records = unlessShort(() => this.#all());
    if (records !== undefined) enter(records, path, record);
    this.#unwritten.push([path, record]);
    if (sizeIn(stamp) >= BIG_BYTES || this.#unwritten.length >= MAX_UNWRITTEN) this.save();
  }

  /** Appends the pending records to the file. The directory must exist. */
  save(): void {
    if (this.#unwritten.length === 0) return;
    const text = `${this.#torn ? '\n' : ''}${this.#unwritten.map(([path, record]) => line(path, record)).join('')}`;
    this.#lines += this.#unwritten.length;
    this.#unwritten.length = 0;
    this.#torn = false;
    try {
      const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0);
      const descriptor = openSync(this.#file, flags, 0o666);
      try {
        writeFileSync(descriptor, text);
      } finally {
        closeSync(descriptor);
      }
    } catch {
      // On a full disk, or if a link is in its place, the next run hashes the files again.
    }
  }

  /** Rewrites the file without outdated records, if there are many. */
  async tidy(flush: Flush): Promise<void> {
    this.save();
    const records = unlessShort(() => this.#all());
    if (records === undefined || this.#lines - records.size < Math.max(MAX_STALE, records.size)) return;
    const text = [...records].map(([path, [latest]]) => line(path, latest!)).join('');
    await writeAtomically(this.#file, text, { flush });
    this.#lines = records.size;
  }

  #all(): Map<string, HashRecord[]> {
    if (this.#records === undefined) {
      const records = new Map<string, HashRecord[]>();
      // Our own file comes last, because it is the most recent.
      for (const file of [...others(this.#directory, this.#file), this.#file]) this.#read(file, records);
      for (const [path, record] of this.#unwritten) enter(records, path, record);
      this.#records = records;
    }
    return this.#records;
  }

  #read(file: string, records: Map<string, HashRecord[]>): void {
    const text = readRecord(file);
    if (text === undefined) return;
    const lines = text.split('\n').filter((one) => one !== '');
    for (const one of lines) {
      const record = parse(one);
      if (record !== undefined) enter(records, record.path, record.record);
    }
    if (file !== this.#file) return;
    this.#lines = lines.length;
    this.#torn = text !== '' && !text.endsWith('\n');
  }
}

/** Puts a record first and removes the older one with the same stamp. */
function enter(records: Map<string, HashRecord[]>, path: string, record: HashRecord): void {
  const before = records.get(path);
  if (before === undefined) records.set(path, [record]);
  else records.set(path, [record, ...before.filter(({ stamp }) => stamp !== record.stamp)]);
}

function others(directory: string, own: string): string[] {
  return recordNames(directory)
    .filter((name) => name.startsWith(NAME) && name.endsWith('.jsonl'))
    .map((name) => join(directory, name))
    .filter((path) => path !== own);
}

function line(path: string, { stamp, sha256, gitSha1 }: HashRecord): string {
  return `${JSON.stringify([path, stamp, sha256, gitSha1 ?? null])}\n`;
}

function parse(text: string): { readonly path: string; readonly record: HashRecord } | undefined {
  try {
    const [path, stamp, sha256, gitSha1] = JSON.parse(text) as unknown[];
    if (typeof path !== 'string' || typeof stamp !== 'string' || !isHex(sha256, 64)) return undefined;
    return { path, record: { stamp, sha256, gitSha1: isHex(gitSha1, 40) ? gitSha1 : undefined } };
  } catch {
    return undefined;
  }
}

function sizeIn(stamp: string): number {
  return Number(stamp.split('-', 1)[0]);
}

function isHex(value: unknown, digits: number): value is string {
  return typeof value === 'string' && value.length === digits && /^[0-9a-f]+$/.test(value);
}
