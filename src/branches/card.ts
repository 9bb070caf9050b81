import type { PlainFacts } from './fact-list.ts';

/** Lines that are read; a card has a few hundred. */
const MAX_LINES = 20_000;
const MAX_CELL = 400;

/** The facts of a README, by the name of the branch or file that a row of its table describes. */
export interface Card {
  readonly rows: ReadonlyMap<string, PlainFacts>;
  /** From the front matter: valid for every branch. */
  readonly about: PlainFacts;
}

/** Reads the table of branches (or of GGUF files) that a card has, and its front matter. */
export function readCard(text: string): Card {
  const lines = text.split(/\r?\n/, MAX_LINES);
  const rows = new Map<string, PlainFacts>();
  for (let index = 0; index + 1 < lines.length; index += 1) {
    if (!isTableRow(lines[index]!) || !isRule(lines[index + 1]!)) continue;
    const columns = cellsOf(lines[index]!).map(columnOf);
    const named = columns.indexOf('key');
    // In mradermacher's cards the first column is a link; the type identifies a row.
    const first = named >= 0 ? named : columns.indexOf('label');
    if (first < 0) continue;
    for (index += 2; index < lines.length && isTableRow(lines[index]!); index += 1) {
      const cells = cellsOf(lines[index]!);
      const key = plain(cells[first] ?? '').replace(named >= 0 ? /(?!)/ : /^i1-/, '');
      if (key !== '' && !rows.has(key)) rows.set(key, factsOf(columns, cells));
    }
  }
  return { rows, about: frontMatter(lines) };
}

type Column = keyof typeof READERS | 'key' | 'label' | 'unknown';

const TITLES: readonly (readonly [RegExp, Column])[] = [
  [/^(branch|revision|name|filename|file)$/, 'key'],
  [/^(quant )?type$/, 'label'],
  [/^bits?$|^bpw$/, 'bits'],
  [/^(gs|group ?size)$/, 'groupSize'],
  [/^(act[ -]?order|desc_act)$/, 'actOrder'],
  [/^damp ?%?$/, 'damp'],
  [/dataset$/, 'dataset'],
  [/^seq(uence)? ?len(gth)?$/, 'sequenceLength'],
  [/^exllama/, 'exllama'],
  [/^(desc|description|use case|notes?)$/, 'description'],
];

function columnOf(title: string): Column {
  const text = plain(title).toLowerCase();
  return TITLES.find(([pattern]) => pattern.test(text))?.[1] ?? 'unknown';
}

const READERS = {
  bits: (cell: string): PlainFacts => ({ bits: positive(cell) }),
  groupSize: (cell: string): PlainFacts => ({
    groupSize: /^(none|-1|n\/a)$/i.test(cell) ? 'none' : positive(cell),
  }),
  actOrder: (cell: string): PlainFacts => ({ actOrder: yesOrNo(cell) }),
  damp: (cell: string): PlainFacts => ({ damp: positive(cell) }),
  dataset: (cell: string): PlainFacts => ({ dataset: cell === '' ? undefined : cell }),
  sequenceLength: (cell: string): PlainFacts => ({ sequenceLength: positive(cell.replaceAll(',', '')) }),
  exllama: (cell: string): PlainFacts => ({ exllama: yesOrNo(cell) }),
  description: (cell: string): PlainFacts => ({ description: cell === '' ? undefined : cell }),
};

function factsOf(columns: readonly Column[], cells: readonly string[]): PlainFacts {
  const facts: PlainFacts[] = columns.map((column, index) =>
    column === 'key' || column === 'label' || column === 'unknown'
      ? {}
      : READERS[column](plain(cells[index] ?? '')),
  );
  return Object.assign({}, ...facts) as PlainFacts;
}

function isTableRow(line: string): boolean {
  return line.length < 20_000 && /^\s*\|.*\|/.test(line);
}

function isRule(line: string): boolean {
  return line.length < 20_000 && line.includes('-') && /^\s*\|/.test(line) && /^[\s:|-]+$/.test(line);
}

function cellsOf(line: string): string[] {
  // `\|` is part of the cell.
  const cells = line
    .trim()
    .replace(/^\|/, '')
    .split(/(?<!\\)\|/, 100);
  return cells.map((cell) => cell.replaceAll('\\|', '|').trim());
}

/** The text of a cell without Markdown: of a link, its text. */
function plain(cell: string): string {
  return cell
    .slice(0, 4000)
    .replace(/\[([^\]]{0,400})\]\([^)]{0,2000}\)/g, '$1')
    .replace(/<[^>]{0,200}>/g, '')
    .replace(/[`*]/g, '')
    .trim()
    .slice(0, MAX_CELL);
}

function positive(cell: string): number | undefined {
  const value = /^\d{1,12}(\.\d{1,6})?/.exec(cell)?.[0];
  return value === undefined || Number(value) === 0 ? undefined : Number(value);
}

function yesOrNo(cell: string): boolean | undefined {
  if (/^(yes|true|✅)/i.test(cell)) return true;
  return /^(no|false|❌)/i.test(cell) ? false : undefined;
}

/** `license` and `base_model` of the block between the first two lines of dashes. */
function frontMatter(lines: readonly string[]): PlainFacts {
  if (lines[0]?.trim() !== '---') return {};
  const end = lines.indexOf('---', 1);
  const block = lines.slice(1, end < 0 ? 1 : Math.min(end, 500));
  const value = (name: string) => {
    const at = block.findIndex((one) => one.startsWith(`${name}:`));
    if (at < 0) return undefined;
    const text = block[at]!.slice(name.length + 1).trim();
    const items = text === '' ? listBelow(block, at + 1) : listIn(text);
    return (
      items
        .map(unquoted)
        .filter((item) => item !== '')
        .join(', ')
        .slice(0, 200) || undefined
    );
  };
  return { license: value('license_name') ?? value('license'), baseModel: value('base_model') };
}

/** The items `- a` of the lines that follow, with any indentation. */
function listBelow(block: readonly string[], start: number): string[] {
  const items: string[] = [];
  for (const line of block.slice(start, start + 20)) {
    const item = /^\s*- +(.*)$/.exec(line.slice(0, 400))?.[1];
    if (item === undefined) break;
    items.push(item);
  }
  return items;
}

/** `[a, b]`, or the text itself. */
function listIn(text: string): string[] {
  return text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1).split(',', 20) : [text];
}

function unquoted(text: string): string {
  return text
    .trim()
    .slice(0, 200)
    .replace(/^(["'])(.*)\1$/, '$2')
    .trim();
}

/** The row about a GGUF file: by its name, with or without the extension and the owner as a prefix, or by its type. */
export function cardRow(card: Card, file: string, label: string | undefined): PlainFacts | undefined {
  const stem = file.replace(/\.gguf$/i, '');
  const bare = stem.replace(/^[^_]+_/, '');
  for (const name of [file, stem, bare, `${bare}.gguf`, ...(label === undefined ? [] : [label])]) {
    const row = card.rows.get(name);
    if (row !== undefined) return row;
  }
  return undefined;
}
