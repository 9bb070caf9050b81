/** Formats numbers as text, and makes names from a server safe and short enough to print. All pure. */

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB'] as const;

/** `4.16 GB`, `512 MB`, `839 B`: powers of 1000 and three digits, as the Hub's own pages count. */
export function formatBytes(bytes: number): string {
  const [number, unit] = scaleBytes(bytes);
  return `${number} ${unit}`;
}

/** `1.20/4.16 GB` where the units agree, `980 MB/4.16 GB` where they do not. */
export function formatBytesOf(done: number, total: number): string {
  const [doneNumber, doneUnit] = scaleBytes(done);
  const [totalNumber, totalUnit] = scaleBytes(total);
  if (doneUnit === totalUnit) return `${doneNumber}/${totalNumber} ${totalUnit}`;
  return `${doneNumber} ${doneUnit}/${totalNumber} ${totalUnit}`;
}

function scaleBytes(bytes: number): [number: string, unit: string] {
  let value = Number.isFinite(bytes) && bytes > 0 ? bytes : 0;
  let step = 0;
  // 999.5 and not 1000: a value that rounds to 1000 belongs to the next unit.
  while (value >= 999.5 && step < UNITS.length - 1) {
    value /= 1000;
    step += 1;
  }
  const unit = UNITS[step] ?? 'B';
  if (step === 0) return [String(Math.round(value)), unit];
  return [value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0), unit];
}

/** `112 MB/s` for bytes per second. */
export function formatRate(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond)}/s`;
}

/** `41s`, `1m 20s`, `2h 05m`, `3d 04h`. Rounds up, so that a remaining time is never too short. */
export function formatDuration(milliseconds: number): string {
  if (!Number.isFinite(milliseconds)) return 'forever';
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m ${twoDigits(seconds % 60)}s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours}h ${twoDigits(minutes % 60)}m`;
  return `${Math.floor(hours / 24)}d ${twoDigits(hours % 24)}h`;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}

/** `1 file`, `2,000 files`. */
export function formatCount(count: number, noun: string): string {
  return `${groupDigits(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** `12,345`. Does not use Intl: logs must not depend on the locale of the machine. */
export function groupDigits(count: number): string {
  return String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** Whole percent, rounded down, so that 100 means complete. A total of 0 is complete. */
export function wholePercent(done: number, total: number): number {
  if (total <= 0) return 100;
  return Math.min(100, Math.max(0, Math.floor((done / total) * 100)));
}

// Remove escape sequences as a whole: without the escape character, "[31m" would remain as text.
const ESCAPE_SEQUENCE =
  /(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?|\x1b[ -/]*[0-~]?/g;
// Direction marks can make one name look like another; line separators and invisible marks break tables.
const INVISIBLE =
  /[\p{Cc}\p{Cs}\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/gu;
const PLAIN_ASCII = /^[ -~]*$/;

/** Makes text from a server safe for a terminal: one line without control, escape or direction characters. */
export function printable(text: string): string {
  if (PLAIN_ASCII.test(text)) return text;
  return text
    .replace(ESCAPE_SEQUENCE, '')
    .replace(/[\t\n\v\f\r\u0085\u2028\u2029]+/g, ' ')
    .replace(INVISIBLE, '');
}

/** Created on first use: that takes longer than the rest of `--help`. */
let segmenter: Intl.Segmenter | undefined;

function graphemes(): Intl.Segmenter {
  segmenter ??= new Intl.Segmenter('en', { granularity: 'grapheme' });
  return segmenter;
}
const ZERO_WIDTH = /^(?:\p{M}|[\u200b-\u200d])+$/u;
const PICTURE = /\p{Emoji_Presentation}|\ufe0f/u;

// East Asian Wide and Fullwidth, in coarse blocks: a wrong guess only misplaces one blank.
const WIDE_BLOCKS: readonly (readonly [first: number, last: number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0x33ff],
  [0x3400, 0x4dbf],
  [0x4e00, 0x9fff],
  [0xa000, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x17000, 0x18dff],
  [0x1b000, 0x1b2ff],
  [0x1f300, 0x1faff],
  [0x20000, 0x3fffd],
];

/** Columns that a terminal needs for `text`, which must be printable already. */
export function displayWidth(text: string): number {
  if (PLAIN_ASCII.test(text)) return text.length;
  let width = 0;
  for (const { segment } of graphemes().segment(text)) width += graphemeWidth(segment);
  return width;
}

function graphemeWidth(grapheme: string): number {
  if (ZERO_WIDTH.test(grapheme)) return 0;
  if (PICTURE.test(grapheme)) return 2;
  const point = grapheme.codePointAt(0) ?? 0;
  return WIDE_BLOCKS.some(([first, last]) => point >= first && point <= last) ? 2 : 1;
}

/**
 * Shortens text to `columns` by an `…` in the middle. Keeps more of the end than of the beginning, because
 * `-00002-of-00003.safetensors` tells the files of a model apart.
 */
export function truncateMiddle(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text;
  if (columns <= 0) return '';
  if (columns === 1) return '…';
  const parts = Array.from(graphemes().segment(text), ({ segment }) => segment);
  const head = takeColumns(parts, Math.floor((columns - 1) * 0.25)).join('');
  // A wide character may leave a column of the head unused: the tail gets it.
  const tail = takeColumns(parts.reverse(), columns - 1 - displayWidth(head)).reverse();
  return `${head}…${tail.join('')}`;
}

function takeColumns(parts: readonly string[], columns: number): string[] {
  const taken: string[] = [];
  let width = 0;
  for (const part of parts) {
    width += graphemeWidth(part);
    if (width > columns) break;
    taken.push(part);
  }
  return taken;
}

/** `text` followed by blanks up to `columns`. */
export function padEndColumns(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - displayWidth(text)));
}
