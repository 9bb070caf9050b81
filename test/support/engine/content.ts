import { createHash } from 'node:crypto';
import type { ByteRange } from '../../../src/model/byte-range.ts';
import type { ContentDigests } from '../../../src/model/digest.ts';

/** What a byte is: the one that the revision has there, none at all, or a wrong one; wrong ones have names. */
export type Bytes = 'right' | 'hole' | `wrong ${string}`;

export interface Run extends ByteRange {
  readonly bytes: Bytes;
}

/**
 * The content of one file, exact to the byte and cheap at any size: neighbours of the same kind are one run. It has a
 * real digest, which is that of the revision only if every byte is right.
 */
export class Content {
  readonly name: string;
  readonly size: number;
  #runs: Run[] = [];

  constructor(name: string, size: number, runs: readonly Run[] = []) {
    this.name = name;
    this.size = size;
    for (const run of runs) this.write(run, run.bytes);
  }

  /** As the revision has it. */
  static right(name: string, size: number): Content {
    return new Content(name, size, [{ start: 0, end: size, bytes: 'right' }]);
  }

  get isRight(): boolean {
    const [run] = this.#runs;
    if (this.size === 0) return this.#runs.length === 0;
    return this.#runs.length === 1 && run?.bytes === 'right' && run.start === 0 && run.end === this.size;
  }

  write({ start, end }: ByteRange, bytes: Bytes): void {
    if (start >= end) return;
    const around = this.#runs.flatMap((run) => [
      { ...run, end: Math.min(run.end, start) },
      { ...run, start: Math.max(run.start, end) },
    ]);
    const all = [...around, { start, end, bytes }].filter((run) => run.start < run.end);
    const merged: { start: number; end: number; bytes: Bytes }[] = [];
    for (const run of all.sort((left, right) => left.start - right.start)) {
      const last = merged.at(-1);
      if (last?.end === run.start && last.bytes === run.bytes) last.end = run.end;
      else merged.push({ ...run });
    }
    this.#runs = merged;
  }

  read({ start, end }: ByteRange): Run[] {
    return this.#runs
      .map((run) => ({ ...run, start: Math.max(run.start, start), end: Math.min(run.end, end) }))
      .filter((run) => run.start < run.end);
  }

  digests(): ContentDigests {
    const text = `${this.name} ${this.size} ${JSON.stringify(this.#runs)}`;
    const hex = (algorithm: string) => createHash(algorithm).update(text).digest('hex');
    return { sha256: hex('sha256'), gitSha1: hex('sha1') };
  }

  copy(): Content {
    return new Content(this.name, this.size, this.#runs);
  }

  toString(): string {
    return this.#runs.map(({ start, end, bytes }) => `${start}-${end} ${bytes}`).join(', ');
  }
}
