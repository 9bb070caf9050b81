import type { BranchTable, RankedRow } from '../../model/branch-facts.ts';
import { displayWidth, formatBytes, groupDigits, printable } from '../../model/format.ts';
import { bitsCell, isOfRegistry, rowName } from './branch-cells.ts';
import { type BranchTableOptions, isOneRevision, prose, remarkLines, titleOf } from './branch-table.ts';
import { fitReasons } from './fit-sentence.ts';
import { layOut, type TextColumn, wrap } from './text-table.ts';

const PROSE_COLUMNS = 100;
/** If less than this is left beside the name, the sum is shown in one column. */
const SUM_COLUMNS = 48;
const PERPLEXITY =
  'Ranked by the perplexity (ppl) that a type added to Llama 3 8B in the measurements of llama.cpp; types that were not measured by their bits per weight.';

/** `fetch branches REPO --fits SIZE`: the sum of every row, then the ranking with its reasons. */
export function renderFitTable(
  table: BranchTable,
  ranked: readonly RankedRow[],
  options: BranchTableOptions = {},
): string {
  const rows = ranked.map(({ row }) => row);
  const oneRevision = isOneRevision(rows);
  const [first] = ranked;
  const names = rows.map((row) => rowName(row, oneRevision));
  const room =
    (options.columns ?? 1000) - names.reduce((most, name) => Math.max(most, displayWidth(name)), 0);
  const columns: TextColumn[] = [
    { head: '#', rank: 6, align: 'right', texts: ranked.map((_, index) => String(index + 1)) },
    {
      head: rows.every(isOfRegistry) ? 'TAG' : oneRevision ? 'QUANTISATION' : 'BRANCH',
      rank: 0,
      align: 'left',
      texts: names,
    },
    { head: 'BITS', rank: 5, align: 'right', texts: rows.map((row) => bitsCell(row).text || '-') },
    ...sumColumns(ranked, room),
    { head: 'FITS', rank: 2, align: 'left', texts: ranked.map(({ fit }) => (fit.fits ? 'yes' : 'no')) },
  ];
  const lines = layOut(columns, options.columns);
  const reasons = ranked.map(
    ({ row, fit }, index) => `${index + 1}. ${rowName(row, oneRevision)}: ${fitReasons(fit).join('; ')}`,
  );
  const width = Math.min(options.columns ?? PROSE_COLUMNS, PROSE_COLUMNS);
  const question =
    first === undefined
      ? ''
      : `What fits into ${formatBytes(first.fit.memory)} with ${groupDigits(first.fit.context)} tokens of context`;
  return [
    ...prose(titleOf(table), options),
    ...prose(
      `${question}: weights + KV cache in fp16 as llama.cpp allocates it + ${formatBytes(first?.fit.runtime ?? 0)} for the program itself, a rule of thumb.`,
      options,
    ),
    ...(ranked.some(({ fit }) => fit.reasons.some((reason) => reason.includes(' ppl')))
      ? prose(PERPLEXITY, options)
      : []),
    '',
    ...lines.map((line, index) =>
      paint(line, index === 0 ? undefined : ranked[index - 1]?.fit.fits, options),
    ),
    '',
    ...reasons.flatMap((reason) => wrap(reason, width, '   ')),
    ...remarkLines(table.notes.map(printable), options),
    '',
  ].join('\n');
}

/** Weights, cache, runtime and total in separate columns, or in one if the terminal is narrow. */
function sumColumns(ranked: readonly RankedRow[], room: number): TextColumn[] {
  if (room < SUM_COLUMNS) {
    const gigabytes = (bytes: number | undefined) => (bytes === undefined ? '?' : (bytes / 1e9).toFixed(2));
    const texts = ranked.map(({ fit: { weights, kvCache, runtime, total } }) => {
      return `${gigabytes(weights)}+${gigabytes(kvCache)}+${gigabytes(runtime)}=${gigabytes(total)}`;
    });
    return [{ head: 'SUM IN GB', rank: 1, align: 'right', texts }];
  }
  const sizes = (head: string, pick: (fit: RankedRow['fit']) => number | undefined): TextColumn => {
    const texts = ranked.map(({ fit }) => {
      const bytes = pick(fit);
      return bytes === undefined ? 'unknown' : formatBytes(bytes);
    });
    return { head, rank: 1, align: 'right', texts };
  };
  return [
    sizes('WEIGHTS', (fit) => fit.weights),
    sizes('+ CACHE', (fit) => fit.kvCache),
    sizes('+ RUN', (fit) => fit.runtime),
    sizes('= TOTAL', (fit) => fit.total),
  ];
}

/** Green if it fits, faint if not: a column says it in words as well. */
function paint(line: string, fits: boolean | undefined, { colour }: BranchTableOptions): string {
  if (colour !== true || fits === undefined) return line;
  return fits ? line.replace(/yes$/, '\x1b[32myes\x1b[39m') : `\x1b[2m${line}\x1b[22m`;
}
