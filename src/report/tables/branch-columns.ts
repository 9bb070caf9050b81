import type { BranchRow, FactName } from '../../model/branch-facts.ts';
import { formatBytes, printable } from '../../model/format.ts';
import { shortId } from '../../model/revision-id.ts';
import { bitsCell, type Cell, EMPTY, factCell, isOfRegistry, rowName } from './branch-cells.ts';

/** A column of the table of branches. The array below is in the order of display. */
export interface Column {
  readonly head: string;
  /** Columns with a larger rank are dropped first when the terminal is narrow. */
  readonly rank: number;
  readonly align: 'left' | 'right';
  readonly cell: (row: BranchRow) => Cell;
  /** Leave the column out if all rows have the same value: the line above the table shows it once. */
  readonly onlyIfDifferent?: boolean;
  /** May be cut at its end, but not below this width. */
  readonly leastWidth?: number;
  /** Its title in the card's table; undefined if the card does not have it. */
  readonly title: string;
}

const fact = (name: FactName) => (row: BranchRow) => factCell(row, name);

/** The columns for which the rows have values. */
export function columnsFor(rows: readonly BranchRow[]): Column[] {
  if (rows.length > 0 && rows.every(isOfRegistry)) return tagColumns(rows);
  const oneRevision = new Set(rows.map((row) => row.revision)).size === 1;
  const anyVariant = rows.some((row) => row.variant !== undefined);
  const nameHead = oneRevision && anyVariant ? 'QUANTISATION' : 'BRANCH';
  const columns: Column[] = [
    {
      head: nameHead,
      rank: 0,
      align: 'left',
      cell: (row) => ({ text: rowName(row, oneRevision && anyVariant), mark: '' }),
      title: nameHead === 'BRANCH' ? 'Branch' : 'Quantisation',
    },
    { head: 'METHOD', rank: 4, align: 'left', cell: fact('method'), onlyIfDifferent: true, title: 'Method' },
    { head: 'BITS', rank: 2, align: 'right', cell: bitsCell, title: 'Bits' },
    { head: 'GROUP', rank: 3, align: 'right', cell: fact('groupSize'), title: 'GS' },
    { head: 'ORDER', rank: 5, align: 'left', cell: fact('actOrder'), title: 'Act Order' },
    { head: 'DAMP', rank: 10, align: 'right', cell: fact('damp'), title: 'Damp %' },
    { head: 'DATASET', rank: 8, align: 'left', cell: fact('dataset'), leastWidth: 8, title: 'Dataset' },
    { head: 'SEQ', rank: 9, align: 'right', cell: fact('sequenceLength'), title: 'Seq Len' },
    {
      head: 'SIZE',
      rank: 1,
      align: 'right',
      cell: (row) => ({ text: formatBytes(row.bytes), mark: '' }),
      title: 'Size',
    },
    { head: 'EXLLAMA', rank: 7, align: 'left', cell: fact('exllama'), title: 'ExLlama' },
    { head: 'PACKING', rank: 11, align: 'left', cell: fact('packing'), leastWidth: 8, title: 'Packing' },
    {
      head: 'PARAMS',
      rank: 12,
      align: 'right',
      cell: fact('parameters'),
      onlyIfDifferent: true,
      title: 'Parameters',
    },
    {
      head: 'CONTEXT',
      rank: 13,
      align: 'right',
      cell: fact('context'),
      onlyIfDifferent: true,
      title: 'Context',
    },
    { head: 'PARTS', rank: 14, align: 'right', cell: partsCell, title: 'Parts' },
    { head: 'FORMATS', rank: 6, align: 'left', cell: formatsCell, title: 'Formats' },
    {
      head: 'COMMIT',
      rank: 15,
      align: 'left',
      cell: (row) => ({ text: printable(shortId(row.commit)), mark: '' }),
      onlyIfDifferent: true,
      title: 'Commit',
    },
    {
      head: 'DESCRIPTION',
      rank: 16,
      align: 'left',
      cell: fact('description'),
      leastWidth: 24,
      title: 'Desc',
    },
  ];
  return columns.filter((column) => {
    const texts = rows.map((row) => column.cell(row).text);
    if (texts.every((text) => text === '')) return false;
    return column.onlyIfDifferent !== true || new Set(texts).size > 1;
  });
}

/** The columns of the tags of a registry. */
function tagColumns(rows: readonly BranchRow[]): Column[] {
  const columns: Column[] = [
    {
      head: 'TAG',
      rank: 0,
      align: 'left',
      cell: (row) => ({ text: rowName(row, false), mark: '' }),
      title: 'Tag',
    },
    { head: 'DIGEST', rank: 1, align: 'left', cell: digestCell, title: 'Digest' },
    {
      head: 'SIZE',
      rank: 2,
      align: 'right',
      cell: ({ bytes }) => (bytes === 0 ? EMPTY : { text: formatBytes(bytes), mark: '' }),
      title: 'Size',
    },
    { head: 'ARCH', rank: 5, align: 'left', cell: fact('architecture'), title: 'Arch' },
    { head: 'PARAMS', rank: 4, align: 'right', cell: fact('parameters'), title: 'Parameters' },
    { head: 'QUANT', rank: 3, align: 'left', cell: fact('quantisation'), title: 'Quantisation' },
    { head: 'FORMAT', rank: 6, align: 'left', cell: fact('format'), title: 'Format' },
    { head: 'SAME AS', rank: 7, align: 'left', cell: sameCell, leastWidth: 8, title: 'Same as' },
  ];
  return columns.filter((column) => rows.some((row) => column.cell(row).text !== ''));
}

/** As registries show a digest: 12 digits. */
function digestCell({ commit }: BranchRow): Cell {
  return { text: shortId(commit).replace('sha256:', ''), mark: '' };
}

function sameCell({ sameAs = [] }: BranchRow): Cell {
  return { text: sameAs.map(printable).join(', '), mark: '' };
}

/** The number of parts, for files in several parts. */
function partsCell({ variant, files, formats, otherCopies: other }: BranchRow): Cell {
  const counted = formats.find(({ format }) => other === undefined || format === other.format);
  const parts =
    variant === undefined
      ? (counted?.files ?? 0) - (other?.files ?? 0)
      : files.filter(({ path }) => /\.gguf/i.test(path) && !/mmproj/i.test(path)).length;
  return parts > 1 ? { text: String(parts), mark: '' } : EMPTY;
}

/** Formats, only if the same weights come in more than one. */
function formatsCell({ variant, formats }: BranchRow): Cell {
  if (variant !== undefined || formats.length < 2) return EMPTY;
  return { text: formats.map(({ format }) => format).join('+'), mark: '' };
}
