import { displayWidth } from '../../src/model/format.ts';
import type { Output } from '../../src/report/progress/output.ts';

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });
const TOKEN = /\x1b\[(\??)([\d;]*)([A-Za-z])|([\n\r])|([^\x1b\n\r]+)/gy;

/**
 * As much of a terminal as our reporters use: cursor moves, erasing, wrapping, showing the cursor. A code that
 * it does not know is an error, so that a test notices when something new is written.
 */
export class Screen implements Output {
  readonly isTTY = true;
  columns: number;
  rows: number;
  cursorVisible = true;
  /** True when a character did not fit into its row and went on in the next. */
  wrapped = false;
  writes = 0;
  writableNeedDrain = false;
  /** Everything that was written, as it came. */
  raw = '';
  #lines: string[][] = [[]];
  #row = 0;
  #column = 0;

  constructor(columns: number, rows = 24) {
    this.columns = columns;
    this.rows = rows;
  }

  get lines(): string[] {
    const lines = this.#lines.map((cells) =>
      Array.from(cells, (cell) => cell ?? ' ')
        .join('')
        .trimEnd(),
    );
    while (lines.length > 0 && lines.at(-1) === '') lines.pop();
    return lines;
  }

  /** As terminals do that reflow: rows that became too long break, and the cursor stays with its character. */
  resize(columns: number): void {
    const lines: string[][] = [];
    let [row, column] = [0, this.#column];
    this.#lines.forEach((cells, index) => {
      if (index === this.#row) {
        row = lines.length + Math.floor(this.#column / columns);
        column = this.#column % columns;
      }
      let from = 0;
      do {
        lines.push(cells.slice(from, from + columns));
        from += columns;
      } while (from < cells.length);
    });
    this.columns = columns;
    this.#lines = lines;
    this.#moveTo(row, column);
  }

  write(text: string): boolean {
    this.writes += 1;
    this.raw += text;
    TOKEN.lastIndex = 0;
    while (TOKEN.lastIndex < text.length) {
      const at = TOKEN.lastIndex;
      const token = TOKEN.exec(text);
      if (token === null) throw new Error(`unknown control at ${JSON.stringify(text.slice(at, at + 12))}`);
      const [, mark, parameters, letter, newline, plain] = token;
      if (letter !== undefined) this.#control(`${mark}${letter}`, parameters ?? '');
      else if (newline === '\n') this.#moveTo(this.#row + 1, 0);
      else if (newline === '\r') this.#column = 0;
      else this.#print(plain ?? '');
    }
    return true;
  }

  #print(text: string): void {
    for (const { segment } of graphemes.segment(text)) {
      const width = displayWidth(segment);
      if (this.#column + width > this.columns) {
        this.wrapped = true;
        this.#moveTo(this.#row + 1, 0);
      }
      const cells = this.#cells();
      cells[this.#column] = segment;
      if (width === 2) cells[this.#column + 1] = '';
      this.#column += width;
    }
  }

  #control(code: string, parameters: string): void {
    const count = parameters === '' ? 1 : Number(parameters);
    if (code === 'A') this.#moveTo(Math.max(0, this.#row - count), this.#column);
    else if (code === 'B') this.#moveTo(this.#row + count, this.#column);
    else if (code === 'G') this.#column = count - 1;
    else if (code === 'J' && parameters !== '2') {
      this.#cells().length = Math.min(this.#column, this.#cells().length);
      this.#lines.length = this.#row + 1;
    } else if (code === 'K' && parameters === '2') this.#cells().length = 0;
    else if (code === 'K') this.#cells().length = Math.min(this.#column, this.#cells().length);
    else if (code === '?h' && parameters === '25') this.cursorVisible = true;
    else if (code === '?l' && parameters === '25') this.cursorVisible = false;
    else if (code !== 'm') throw new Error(`unknown code ${code} ${parameters}`);
  }

  #moveTo(row: number, column: number): void {
    this.#row = row;
    this.#column = column;
    while (this.#lines.length <= row) this.#lines.push([]);
  }

  #cells(): string[] {
    const cells = this.#lines[this.#row] ?? [];
    this.#lines[this.#row] = cells;
    return cells;
  }
}
