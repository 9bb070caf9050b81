import type { BranchTable, RankedRow } from '../../model/branch-facts.ts';
import { formatBytes } from '../../model/format.ts';
import { columnsFor } from './branch-columns.ts';

/** `fetch branches --markdown`: all facts, in a table as in model cards. */
export function renderBranchMarkdown(table: BranchTable, ranked?: readonly RankedRow[]): string {
  const rows = ranked?.map(({ row }) => row) ?? table.rows;
  const columns = columnsFor(rows);
  const heads = columns.map(({ title }) => title);
  const cells = rows.map((row) => columns.map(({ cell }) => cell(row).text));
  if (ranked !== undefined) {
    heads.push('Needs', 'Fits');
    for (const [index, { fit }] of ranked.entries())
      cells[index]?.push(formatBytes(fit.total), fit.fits ? 'yes' : 'no');
  }
  return `${[heads, heads.map((head) => '-'.repeat(head.length)), ...cells].map(markdownRow).join('\n')}\n`;
}

function markdownRow(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('\\', '\\\\').replaceAll('|', '\\|').replaceAll('<', '&lt;')).join(' | ')} |`;
}
