import type { BranchRow, BranchTable, Conflict, FactName, RankedRow } from '../../model/branch-facts.ts';
import { formatBytes, formatCount, groupDigits, printable } from '../../model/format.ts';
import { repoPath } from '../../model/repo.ts';
import { type Cell, factCell, MARK_LEGEND, rowName, valueText } from './branch-cells.ts';
import { type Column, columnsFor } from './branch-columns.ts';
import { layOut, type TextColumn, wrap } from './text-table.ts';

export interface BranchTableOptions {
  /** Width of the terminal; undefined if the output is a file: then everything is shown. */
  readonly columns?: number | undefined;
  /** Whether escape codes for colours may be used. */
  readonly colour?: boolean;
}

/** Maximum of remarks below the table; the others are only counted. */
const MAX_REMARKS = 12;
const PROSE_COLUMNS = 100;

/** `fetch branches REPO`: one row per branch or quantisation, with doubtful facts below. */
export function renderBranchTable(table: BranchTable, options: BranchTableOptions = {}): string {
  const { rows } = table;
  const columns = columnsFor(rows);
  const shown = columns.map((column) => textColumn(column, rows));
  const lines = layOut(shown, options.columns);
  const remarks = [
    ...projectorNotes(rows),
    ...formatNotes(rows),
    ...copyNotes(rows),
    ...remarksOf(rows),
    ...table.notes.map(printable),
  ];
  return [
    ...wrap(titleOf(table), options.columns ?? PROSE_COLUMNS, '  '),
    '',
    ...lines,
    ...legend(shown, lines[0] ?? ''),
    ...remarkLines(remarks, options),
    '',
  ].join('\n');
}

export function isOneRevision(rows: readonly BranchRow[]): boolean {
  return (
    rows.every((row) => row.variant !== undefined) && new Set(rows.map((row) => row.revision)).size === 1
  );
}

/** If all values of a column come from the same weak origin, only its head is marked. */
function textColumn({ head, rank, align, cell, leastWidth }: Column, rows: readonly BranchRow[]): TextColumn {
  const cells: Cell[] = rows.map(cell);
  const marks = new Set(cells.filter(({ text }) => text !== '').map(({ mark }) => mark));
  const [only] = marks;
  const common = marks.size === 1 && only !== undefined;
  return {
    head: common ? head + only : head,
    rank,
    align,
    leastWidth,
    texts: cells.map(({ text, mark }) => (text === '' ? '-' : common ? text : text + mark)),
  };
}

const COMMON: readonly FactName[] = ['method', 'architecture', 'parameters', 'context'];

/** The repository, the number of rows, and what they have in common. */
export function titleOf({ repo, rows }: BranchTable): string {
  const variants = rows.every((row) => row.variant !== undefined) && rows.length > 0;
  const count = variants ? formatCount(rows.length, 'quantisation') : revisionCount(rows);
  const common = COMMON.flatMap((name) => {
    const texts = new Set(rows.map((row) => factCell(row, name).text));
    const [text] = texts;
    if (texts.size !== 1 || text === undefined || text === '') return [];
    if (name === 'method' && text === 'none') return ['not quantised'];
    if (name === 'method' && text.endsWith('adapter')) return [adapterText(text, rows)];
    return [
      name === 'parameters' ? `${text} parameters` : name === 'context' ? `made for ${text} tokens` : text,
    ];
  });
  return `${printable(repoPath(repo))}: ${[count, ...common].join(', ')}`;
}

/** `5 branches and 1 tag`. */
function revisionCount(rows: readonly BranchRow[]): string {
  const named = (isTag: boolean) =>
    new Set(rows.filter(({ kind }) => (kind === 'tag') === isTag).map(({ revision }) => revision)).size;
  const [branches, tags] = [named(false), named(true)];
  const counted = branches === 1 ? '1 branch' : `${groupDigits(branches)} branches`;
  if (tags === 0) return counted;
  return branches === 0 ? formatCount(tags, 'tag') : `${counted} and ${formatCount(tags, 'tag')}`;
}

/** `LoRA adapter of OWNER/NAME`. */
function adapterText(text: string, rows: readonly BranchRow[]): string {
  const models = new Set(rows.map((row) => factCell(row, 'baseModel').text));
  const [model] = models;
  return models.size === 1 && model ? `${text} of ${model}` : text;
}

/** Doubtful facts of the rows; a remark that several rows share appears once. */
function remarksOf(rows: readonly BranchRow[]): string[] {
  const oneRevision = isOneRevision(rows);
  const about = new Map<string, string[]>();
  for (const row of rows) {
    for (const text of [...row.conflicts.map(conflictText), ...row.problems.map(printable)]) {
      about.set(text, [...(about.get(text) ?? []), rowName(row, oneRevision)]);
    }
  }
  return Array.from(about, ([text, names]) => {
    if (names.length === rows.length && names.length > 1) return `all: ${text}`;
    const more = names.length > 3 ? ` and ${names.length - 3} more` : '';
    return `${names.slice(0, 3).join(', ')}${more}: ${text}`;
  });
}

/** The same weights in several formats: the size of each. */
function formatNotes(rows: readonly BranchRow[]): string[] {
  return rows
    .filter(({ variant, formats }) => variant === undefined && formats.length > 1)
    .map((row) => {
      const shares = row.formats.map(({ format, bytes }) => `${format} ${formatBytes(bytes)}`);
      return `${rowName(row, false)} has its weights in several formats: ${shares.join(', ')}; see --weights`;
    });
}

/** Copies of the same weights in one format: the size of one copy. */
function copyNotes(rows: readonly BranchRow[]): string[] {
  return rows.flatMap((row) => {
    const { otherCopies: other, weightBytes } = row;
    if (other === undefined) return [];
    const files = formatCount(other.files, 'file');
    return `${rowName(row, false)}: one copy of the weights is loaded, ${formatBytes(weightBytes)}; ${files} of ${formatBytes(other.bytes)} ${other.files === 1 ? 'holds' : 'hold'} others`;
  });
}

/** Each quantisation includes the image encoder, so its size counts each time. */
function projectorNotes(rows: readonly BranchRow[]): string[] {
  const variants = rows.filter(({ variant }) => variant !== undefined);
  const oneRevision = isOneRevision(rows);
  const found = new Map<string, { size: number; names: string[] }>();
  for (const row of variants) {
    for (const { path, size } of row.files.filter((file) => /mmproj/i.test(file.path))) {
      const known = found.get(path);
      if (known === undefined) found.set(path, { size, names: [rowName(row, oneRevision)] });
      else known.names.push(rowName(row, oneRevision));
    }
  }
  return Array.from(found, ([path, { size, names }]) => {
    const more = names.length > 3 ? ` and ${names.length - 3} more` : '';
    const whose =
      names.length === variants.length ? 'every size' : `the size of ${names.slice(0, 3).join(', ')}${more}`;
    return `${whose} includes ${printable(path)}, ${formatBytes(size)}`;
  });
}

const FIELD_NAMES: Partial<Record<FactName, string>> = {
  groupSize: 'group size',
  actOrder: 'act order',
  exllama: 'ExLlama',
  sequenceLength: 'sequence length',
  damp: 'damp',
};

/**
 * `act order: yes (quantize_config.json), not no (name)`. Built-in knowledge supplements the card; it does not
 * contradict it.
 */
export function conflictText({ field, believed, other }: Conflict): string {
  const said = `${FIELD_NAMES[field] ?? field}: ${valueText(field, believed.value)} (${believed.origin})`;
  const differs = valueText(field, other.value);
  if (other.origin === 'rule') {
    const loads = other.value === true ? 'supported by current versions' : 'not loaded by current versions';
    return `ExLlama: ${believed.origin} says ${valueText(field, believed.value)}; ${loads}`;
  }
  if (other.origin === 'computed') {
    const value = `${FIELD_NAMES[field] ?? field}: ${valueText(field, believed.value)} in ${believed.origin}`;
    return `${value} (expected ${differs} from config.json)`;
  }
  return `${said}, although the ${other.origin} says ${differs}`;
}

/** The meaning of the marks that are visible. */
function legend(shown: readonly TextColumn[], headLine: string): string[] {
  const heads = new Set(headLine.split(/ {2,}/));
  const texts = shown
    .filter(({ head }) => heads.has(head))
    .flatMap(({ head, texts: cells }) => [head, ...cells]);
  const used = MARK_LEGEND.filter(([mark]) => texts.some((text) => text.endsWith(mark)));
  return used.length === 0 ? [] : ['', used.map(([mark, meaning]) => `${mark} ${meaning}`).join('; ')];
}

export function remarkLines(remarks: readonly string[], options: BranchTableOptions): string[] {
  if (remarks.length === 0) return [];
  const shown = remarks.slice(0, MAX_REMARKS);
  const more = remarks.length - shown.length;
  return [
    '',
    ...[
      ...shown,
      ...(more > 0 ? [`and ${formatCount(more, 'more remark')}: --json has them all`] : []),
    ].flatMap((remark) => prose(remark, options)),
  ];
}

export function prose(text: string, { columns }: BranchTableOptions): string[] {
  return wrap(text, Math.min(columns ?? PROSE_COLUMNS, PROSE_COLUMNS), '  ');
}

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
