import { flatRanges } from '../model/flat-ranges.ts';
import type { UnfinishedRevision } from '../store/held-revision.ts';
import type { Clock } from '../system/clock.ts';
import type { VerifiedFiles } from './verified-files.ts';

/** How long an answer is used again, in milliseconds; longer where it takes long to make. */
const MAX_AGE_MS = 100;
/** At most this part of the time is spent on making answers. */
const MAX_COST_PART = 0.1;
const MAX_REMEMBERED = 64;

/** What is here of a revision that is complete: ask for its files. */
export const COMPLETE: Buffer = Buffer.from(JSON.stringify({ version: 1, complete: true }));

/**
 * Tells machines that take bytes from an unfinished download what is here: which files are verified, which ranges of others
 * are written, and which ones the run is just fetching.
 */
export class PartialStatus {
  readonly #files: VerifiedFiles;
  readonly #clock: Clock;
  readonly #answers = new Map<string, { readonly until: number; readonly text: Buffer }>();

  constructor(files: VerifiedFiles, clock: Clock) {
    this.#files = files;
    this.#clock = clock;
  }

  /** The answer for a revision, as JSON. */
  document(revision: UnfinishedRevision): Buffer {
    const key = `${revision.node}/${revision.commit}`;
    const began = this.#clock.monotonic();
    const known = this.#answers.get(key);
    if (known !== undefined && began < known.until) return known.text;
    const text = Buffer.from(JSON.stringify(this.#status(revision)));
    const now = this.#clock.monotonic();
    if (this.#answers.size >= MAX_REMEMBERED) this.#answers.clear();
    this.#answers.set(key, { until: now + Math.max(MAX_AGE_MS, (now - began) / MAX_COST_PART), text });
    return text;
  }

  #status(revision: UnfinishedRevision): unknown {
    const now = revision.now();
    const all = [...revision.files.values()];
    const whole = new Set(all.filter((file) => this.#files.find(revision, file, true).kind === 'verified'));
    const written = revision.written(all.filter((file) => !whole.has(file)));
    const files = all.map((file) => {
      const { path } = file;
      if (whole.has(file)) return [path, true];
      const fetching = now?.fetching.get(path) ?? [];
      return [
        path,
        flatRanges(written.get(path) ?? []),
        ...(fetching.length === 0 ? [] : [flatRanges(fetching)]),
      ];
    });
    return { version: 1, node: revision.node, nodes: Object.fromEntries(now?.nodes ?? []), files };
  }
}
