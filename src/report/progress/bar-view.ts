import {
  displayWidth,
  formatBytesOf,
  formatCount,
  formatDuration,
  formatRate,
  groupDigits,
  padEndColumns,
  printable,
  truncateMiddle,
  wholePercent,
} from '../../model/format.ts';
import type { FileProgress, Tally } from './tally.ts';
import type { Throughput } from './throughput.ts';
import { timeLeftOf } from './time-left.ts';

/** One line of the display: its share from 0 to 1, and its text for a given width. Never wider than that. */
export interface BarRow {
  readonly done: number;
  readonly total: number;
  text(share: number): string;
}

export interface ViewSize {
  /** Columns that may be written to. */
  readonly columns: number;
  readonly rows: number;
}

export interface BarViewOptions {
  readonly tally: Tally;
  readonly throughput: Throughput;
  /** The repository to show until the hub has answered. */
  readonly subject: string;
  readonly colour: boolean;
}

const MAX_FILE_ROWS = 8;
/** Rows of the screen that keep their earlier content. */
const ROWS_LEFT_ALONE = 4;
/** Milliseconds after which a small file gets a row. Without the delay, thousands of rows would flash by. */
const SETTLED_MS = 500;
const BIG_FILE_BYTES = 32_000_000;
/** Files that fit into one packet get a row only when they are delayed. */
const TINY_FILE_BYTES = 1460;
const TINY_SETTLED_MS = 3000;
const NAME_COLUMNS_MOST = 64;
/** Width of the longest form, `99.9 kB/99.9 GB`, so that the column does not jump. */
const FIGURE_COLUMNS = 15;
/**
 * Minimum widths for figures, and for bars. Both leave 34 columns to the name, so that the distinguishing part of
 * `model-00002-of-00003.safetensors` stays visible.
 */
const FIGURES_FROM = 57;
const BARS_FROM = 74;

/** Decides what the display shows: tally and time in, rows out. Does not know about terminals. */
export class BarView {
  readonly #options: BarViewOptions;
  #seenSince = new Map<FileProgress, number>();

  constructor(options: BarViewOptions) {
    this.#options = options;
  }

  rows(size: ViewSize, now: number): readonly BarRow[] {
    const { tally } = this.#options;
    if (tally.plan === undefined) return [this.#statusRow(size.columns)];
    const rows: BarRow[] = [];
    const settled = this.#settledFiles(now);
    const room = Math.max(0, Math.min(MAX_FILE_ROWS, size.rows - ROWS_LEFT_ALONE));
    // The row "1 more" would take as much room as the file.
    const shown = settled.length <= room ? settled.length : Math.max(0, room - 1);
    for (const file of settled.slice(0, shown)) rows.push(this.#fileRow(file, size.columns));
    const more = settled.length - shown;
    if (more > 0 && room > 0) rows.push(this.#textRow(`+ ${formatCount(more, 'more file')}`, size.columns));
    rows.push(this.#totalRow(size.columns, now));
    return rows;
  }

  /** Active files that get a row, the oldest first, so that rows keep their places. */
  #settledFiles(now: number): FileProgress[] {
    const seenBefore = this.#seenSince;
    this.#seenSince = new Map();
    const settled: FileProgress[] = [];
    for (const file of this.#options.tally.active) {
      const since = seenBefore.get(file) ?? now;
      this.#seenSince.set(file, since);
      const settledMs = file.size < TINY_FILE_BYTES ? TINY_SETTLED_MS : SETTLED_MS;
      if (file.size >= BIG_FILE_BYTES || now - since >= settledMs) settled.push(file);
    }
    return settled;
  }

  #statusRow(columns: number): BarRow {
    const { tally, subject } = this.#options;
    if (tally.revision === undefined) return this.#textRow(`resolving ${printable(subject)}`, columns);
    if (tally.listedFiles === 0) return this.#textRow('listing files', columns);
    return this.#textRow(`listing ${formatCount(tally.listedFiles, 'file')}`, columns);
  }

  #textRow(text: string, columns: number): BarRow {
    const line = this.#faint(truncateMiddle(text, columns));
    return { done: 0, total: 1, text: () => line };
  }

  #fileRow(file: FileProgress, columns: number): BarRow {
    const percent = `${wholePercent(file.done, file.size)}%`.padStart(4);
    const verifying = file.state === 'verifying';
    const barColumns = barColumnsFor(columns);
    const gap = gapFor(columns);
    const figures = verifying ? 'verifying' : formatBytesOf(file.done, file.size);
    // On a narrow screen, show figures only if they say more than the percentage.
    const wide = barColumns > 0;
    const figureColumns = columns >= FIGURES_FROM ? FIGURE_COLUMNS : verifying ? figures.length : 0;
    const before = (wide ? barColumns + gap.length : 0) + percent.length + gap.length;
    const after = figureColumns > 0 ? figureColumns + gap.length : 0;
    const nameColumns = Math.max(0, Math.min(NAME_COLUMNS_MOST, columns - before - after));
    const name = truncateMiddle(printable(file.path), nameColumns);
    const tail = after === 0 ? name : `${padEndColumns(name, nameColumns)}${gap}${this.#faint(figures)}`;
    return {
      done: file.done,
      total: file.size,
      text: (share) => `${wide ? this.#bar(share, barColumns) + gap : ''}${percent}${gap}${tail}`,
    };
  }

  #totalRow(columns: number, now: number): BarRow {
    const { tally } = this.#options;
    const barColumns = barColumnsFor(columns);
    const gap = gapFor(columns);
    const room = columns - (barColumns > 0 ? barColumns + gap.length : 0);
    const line = fitFields(this.#totalFields(now), room, gap);
    return {
      done: tally.doneBytes,
      total: tally.totalBytes,
      text: (share) => `${barColumns > 0 ? this.#bar(share, barColumns) + gap : ''}${line}`,
    };
  }

  /** In the order of the line; `rank` 1 is given up last. */
  #totalFields(now: number): Field[] {
    const { tally, throughput } = this.#options;
    const percent = `${wholePercent(tally.doneBytes, tally.totalBytes)}%`.padStart(4);
    const files = `${groupDigits(tally.finishedFiles)}/${groupDigits(tally.totalFiles)} files`;
    const fields: Field[] = [
      { rank: 1, text: percent },
      { rank: 3, text: formatBytesOf(tally.doneBytes, tally.totalBytes) },
    ];
    if (tally.remainingBytes > 0) {
      const timeLeft = timeLeftOf(tally, throughput, now);
      const waiting = tally.fetchedBytes === 0 ? 'starting' : 'no data';
      fields.push({ rank: 4, text: formatRate(throughput.rate(now)) });
      fields.push({ rank: 2, text: timeLeft === undefined ? waiting : `${formatDuration(timeLeft)} left` });
    } else fields.push({ rank: 2, text: tally.activeFiles > 0 ? 'verifying' : 'finishing' });
    fields.push({ rank: 5, text: files });
    if (tally.failedFiles > 0) fields.push({ rank: 2.5, text: `${groupDigits(tally.failedFiles)} failed` });
    return fields;
  }

  #bar(share: number, columns: number): string {
    const inner = columns - 2;
    const filled = Math.floor(Math.min(1, Math.max(0, share)) * inner);
    return `[${'#'.repeat(filled)}${this.#faint('.'.repeat(inner - filled))}]`;
  }

  #faint(text: string): string {
    return this.#options.colour && text !== '' ? `\x1b[2m${text}\x1b[22m` : text;
  }
}

interface Field {
  readonly rank: number;
  readonly text: string;
}

/** As many fields as fit: the important ones are chosen first, and all keep their order. */
function fitFields(fields: readonly Field[], columns: number, gap: string): string {
  const kept = new Set<Field>();
  let used = -gap.length;
  for (const field of [...fields].sort((left, right) => left.rank - right.rank)) {
    const width = gap.length + displayWidth(field.text);
    if (used + width > columns) continue;
    kept.add(field);
    used += width;
  }
  return fields
    .filter((field) => kept.has(field))
    .map((field) => field.text)
    .join(gap);
}

/** In steps: a bar whose length follows the other fields would flicker. */
function barColumnsFor(columns: number): number {
  if (columns < BARS_FROM) return 0;
  if (columns < 99) return 14;
  return columns < 139 ? 26 : 38;
}

function gapFor(columns: number): string {
  return columns < FIGURES_FROM ? ' ' : '  ';
}
