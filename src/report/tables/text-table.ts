import { displayWidth, padEndColumns, truncateMiddle } from '../../model/format.ts';

export interface TextColumn {
  readonly head: string;
  readonly rank: number;
  readonly align: 'left' | 'right';
  readonly texts: readonly string[];
  readonly leastWidth?: number | undefined;
}

const GAP = 2;
const MIN_NAME_COLUMNS = 12;

/**
 * Lines of a table at most `columns` wide: first the least important columns are dropped, then texts that may be cut
 * are shortened, and last the middle of the first column. Without a width everything is shown.
 */
export function layOut(table: readonly TextColumn[], columns: number | undefined): string[] {
  let kept = [...table];
  if (columns !== undefined) {
    kept = [];
    let used = -GAP;
    for (const column of table.toSorted((left, right) => left.rank - right.rank)) {
      const wanted = Math.min(natural(column), column.leastWidth ?? Number.POSITIVE_INFINITY);
      // The name is always shown: it is what people type.
      if (column.rank > 0 && used + GAP + wanted > columns) continue;
      used += GAP + (column.rank === 0 ? Math.min(wanted, Math.max(MIN_NAME_COLUMNS, columns - 24)) : wanted);
      kept.push(column);
    }
    kept = table.filter((column) => kept.includes(column));
  }
  const widths = widthsFor(kept, columns);
  const rows = [
    kept.map(({ head }) => head),
    ...(table[0]?.texts ?? []).map((_, row) => kept.map((one) => one.texts[row]!)),
  ];
  return rows.map((cells) =>
    cells
      .map((text, index) => {
        const width = widths[index]!;
        const fitted =
          kept[index]!.leastWidth === undefined ? truncateMiddle(text, width) : truncateEnd(text, width);
        const padding = ' '.repeat(Math.max(0, width - displayWidth(fitted)));
        return kept[index]!.align === 'right' ? padding + fitted : padEndColumns(fitted, width);
      })
      .join(' '.repeat(GAP))
      .trimEnd(),
  );
}

/** Distributes the remaining width to columns that were cut, in the order of the table. */
function widthsFor(kept: readonly TextColumn[], columns: number | undefined): number[] {
  if (columns === undefined) return kept.map(natural);
  const widths = kept.map((column) =>
    Math.min(natural(column), column.leastWidth ?? Number.POSITIVE_INFINITY),
  );
  const sum = () => widths.reduce((total, width) => total + width, GAP * (widths.length - 1));
  for (const [index, column] of kept.entries()) {
    const room = columns - sum();
    if (room > 0) widths[index] = Math.min(natural(column), widths[index]! + room);
  }
  const over = sum() - columns;
  const name = kept.findIndex(({ rank }) => rank === 0);
  if (over > 0 && name >= 0) widths[name] = Math.max(MIN_NAME_COLUMNS, widths[name]! - over);
  return widths;
}

function natural(column: TextColumn): number {
  return [column.head, ...column.texts].reduce((width, text) => Math.max(width, displayWidth(text)), 0);
}

function truncateEnd(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text;
  let cut = text;
  while (cut !== '' && displayWidth(cut) > columns - 1) cut = cut.slice(0, -1);
  return `${cut.trimEnd()}…`;
}

/** Words in lines of at most `columns`; every line but the first begins with `indent`. */
export function wrap(text: string, columns: number, indent: string): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const next = line === '' ? (lines.length === 0 ? word : indent + word) : `${line} ${word}`;
    if (line !== '' && displayWidth(next) > columns) {
      lines.push(line);
      line = indent + word;
    } else line = next;
  }
  return [...lines, line];
}
