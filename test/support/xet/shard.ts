import { hashText } from './merkle-hash.ts';

/** Chunks of one xorb in their order, which are a part of a file. */
export interface Term {
  readonly xorb: string;
  /** Of chunks; `end` is out. */
  readonly start: number;
  readonly end: number;
  /** Bytes, unpacked. */
  readonly length: number;
}

export interface ShardFile {
  readonly xetHash: string;
  /** 64 hex digits; undefined where the uploader did not say it. */
  readonly sha256: string | undefined;
  readonly terms: readonly Term[];
}

export interface Shard {
  readonly files: readonly ShardFile[];
  /** Hashes of the chunks of each xorb. */
  readonly xorbs: ReadonlyMap<string, readonly string[]>;
}

const TAG = 'HFRepoMetaData';
const FILES_AT = 48;
const RECORD = 48;
const WITH_VERIFICATION = 0x80000000;
const WITH_SHA256 = 0x40000000;

/** What an uploader says of its files and xorbs, in records of 48 bytes. Throws on anything else. */
export function parseShard(data: Buffer): Shard {
  if (data.toString('latin1', 0, TAG.length) !== TAG) throw new Error('no shard');
  const records = new Records(data);
  const files: ShardFile[] = [];
  for (let head = records.next(); !isEnd(head); head = records.next()) {
    const flags = head.readUInt32LE(32);
    const count = head.readUInt32LE(36);
    const terms = Array.from({ length: count }, () => termOf(records.next()));
    if ((flags & WITH_VERIFICATION) !== 0) for (let n = 0; n < count; n += 1) records.next();
    const sha256 = (flags & WITH_SHA256) === 0 ? undefined : hashText(records.next());
    files.push({ xetHash: hashText(head), sha256, terms });
  }
  const xorbs = new Map<string, string[]>();
  for (let head = records.next(); !isEnd(head); head = records.next()) {
    const count = head.readUInt32LE(36);
    xorbs.set(
      hashText(head),
      Array.from({ length: count }, () => hashText(records.next())),
    );
  }
  return { files, xorbs };
}

class Records {
  #at = FILES_AT;
  readonly #data: Buffer;

  constructor(data: Buffer) {
    this.#data = data;
  }

  next(): Buffer {
    const record = this.#data.subarray(this.#at, this.#at + RECORD);
    if (record.length < RECORD) throw new Error('the shard ends early');
    this.#at += RECORD;
    return record;
  }
}

function isEnd(record: Buffer): boolean {
  return record.subarray(0, 32).every((byte) => byte === 0xff);
}

function termOf(record: Buffer): Term {
  return {
    xorb: hashText(record),
    length: record.readUInt32LE(36),
    start: record.readUInt32LE(40),
    end: record.readUInt32LE(44),
  };
}
