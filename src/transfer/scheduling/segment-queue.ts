const MIB = 1024 * 1024;
/** The remainder of a cut is taken along if it is less than this fraction of what was requested. */
const WORTH_LEAVING = 0.25;

interface QueuedSegment {
  readonly file: number;
  position: number;
  end: number;
}

/** First in, first out; returned segments go first. Every operation is cheap at any length. */
export class SegmentQueue<S extends QueuedSegment> {
  #waiting: S[] = [];
  #head = 0;
  readonly #returned: S[] = [];
  #bytes = 0;

  /** Bytes of all waiting segments. */
  get bytes(): number {
    return this.#bytes;
  }

  get length(): number {
    return this.#waiting.length - this.#head + this.#returned.length;
  }

  /** The segment that is taken after `index` others; undefined if there is none. */
  at(index: number): S | undefined {
    const returned = this.#returned.length;
    if (index < returned) return this.#returned[returned - 1 - index];
    return this.#waiting[this.#head + index - returned];
  }

  append(work: S): void {
    this.#bytes += work.end - work.position;
    this.#waiting.push(work);
  }

  giveBack(work: S): void {
    this.#bytes += work.end - work.position;
    this.#returned.push(work);
  }

  take(): S | undefined {
    const work = this.#next();
    if (work !== undefined) this.#bytes -= work.end - work.position;
    return work;
  }

  /**
   * Takes about this many bytes from the front of the next segment, rounded up to a mebibyte: a multiple of the
   * journal's blocks. `cut` makes the part that is taken.
   */
  takePart(bytes: number, cut: (next: S, end: number) => S): S | undefined {
    const next = this.at(0);
    if (next === undefined) return undefined;
    const end = Math.ceil((next.position + bytes) / MIB) * MIB;
    if (next.end - end < WORTH_LEAVING * bytes) return this.take();
    const part = cut(next, end);
    this.#bytes -= end - next.position;
    next.position = end;
    return part;
  }

  /** All that wait, in the order in which they are taken. */
  *[Symbol.iterator](): Generator<S> {
    for (let index = 0; index < this.length; index += 1) yield this.at(index)!;
  }

  /** Takes a range out of a waiting segment; what is left of it keeps its place. `cut` makes the parts. */
  takeOut(work: S, start: number, end: number, cut: (whole: S, start: number, end: number) => S): S {
    const taken = cut(work, start, end);
    this.#bytes -= end - start;
    const parts = [
      ...(work.position < start ? [cut(work, work.position, start)] : []),
      ...(end < work.end ? [cut(work, end, work.end)] : []),
    ];
    const returned = this.#returned.indexOf(work);
    // The last of the returned ones is taken first.
    if (returned >= 0) this.#returned.splice(returned, 1, ...parts.reverse());
    else this.#waiting.splice(this.#waiting.indexOf(work, this.#head), 1, ...parts);
    return taken;
  }

  /** The waiting segment of the file that begins at `position` begins at `start` instead. False if there is none. */
  moveStart(file: number, position: number, start: number): boolean {
    for (let index = 0; index < this.length; index += 1) {
      const work = this.at(index)!;
      if (work.file !== file || work.position !== position) continue;
      if (work.end <= start) return false;
      this.#bytes -= start - position;
      work.position = start;
      return true;
    }
    return false;
  }

  #next(): S | undefined {
    const returned = this.#returned.pop();
    if (returned !== undefined) return returned;
    const work = this.#waiting[this.#head];
    if (work === undefined) return undefined;
    this.#head += 1;
    if (this.#head > 1024 && this.#head * 2 > this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#head);
      this.#head = 0;
    }
    return work;
  }

  /** A file's segments are taken next. */
  moveToFront(file: number): void {
    for (const work of this.remove(file).reverse()) this.giveBack(work);
  }

  /** Removes a file's segments and returns them. */
  remove(file: number): S[] {
    const all = [...this.#waiting.slice(this.#head), ...this.#returned];
    this.#waiting = this.#waiting.slice(this.#head).filter((work) => work.file !== file);
    this.#head = 0;
    const kept = this.#returned.filter((work) => work.file !== file);
    this.#returned.splice(0, this.#returned.length, ...kept);
    this.#bytes = [...this.#waiting, ...kept].reduce((sum, { position, end }) => sum + end - position, 0);
    return all.filter((work) => work.file === file);
  }
}
