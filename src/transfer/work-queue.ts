/** First in, first out, except for what is given back: that goes first. Every step is cheap at any length. */
export class WorkQueue<Work extends { readonly file: number }> {
  #waiting: Work[] = [];
  #head = 0;
  readonly #returned: Work[] = [];

  get length(): number {
    return this.#waiting.length - this.#head + this.#returned.length;
  }

  /** All that waits, in no order that matters. */
  all(): readonly Work[] {
    return [...this.#returned, ...this.#waiting.slice(this.#head)];
  }

  /** What will be taken after `index` others; undefined if there is none. */
  at(index: number): Work | undefined {
    const returned = this.#returned.length;
    if (index < returned) return this.#returned[returned - 1 - index];
    return this.#waiting[this.#head + index - returned];
  }

  append(work: Work): void {
    this.#waiting.push(work);
  }

  giveBack(work: Work): void {
    this.#returned.push(work);
  }

  take(): Work | undefined {
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

  remove(file: number): void {
    this.#waiting = this.#waiting.slice(this.#head).filter((work) => work.file !== file);
    this.#head = 0;
    const kept = this.#returned.filter((work) => work.file !== file);
    this.#returned.splice(0, this.#returned.length, ...kept);
  }
}
