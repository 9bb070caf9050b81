import type { BranchRow, BranchTable, Fact, FactName } from '../../model/branch-facts.ts';
import {
  formatBytes,
  formatCount,
  groupDigits,
  padEndColumns,
  printable,
  truncateMiddle,
} from '../../model/format.ts';
import { type RepoRef, repoPath } from '../../model/repo.ts';
import { rowName, valueText } from './branch-cells.ts';
import { type BranchTableOptions, conflictText, isOneRevision } from './branch-table.ts';
import { wrap } from './text-table.ts';

/** Every fact with its label, in the order of display. */
const LABELS: readonly (readonly [FactName, string])[] = [
  ['method', 'method'],
  ['quantisation', 'quantisation'],
  ['bits', 'bits'],
  ['mixedBits', 'bits that occur'],
  ['bitsPerWeight', 'bits per weight'],
  ['mix', 'tensors'],
  ['groupSize', 'group size'],
  ['actOrder', 'act order'],
  ['actGroupAware', 'order in groups'],
  ['damp', 'damp'],
  ['symmetric', 'symmetric'],
  ['packing', 'packing'],
  ['headBits', 'bits of the head'],
  ['dataset', 'dataset'],
  ['sequenceLength', 'sequence length'],
  ['exllama', 'ExLlama'],
  ['description', 'description'],
  ['architecture', 'architecture'],
  ['parameterLabel', 'parameters'],
  ['parameters', 'parameters'],
  ['format', 'format'],
  ['tensorBytes', 'tensors in all'],
  ['dtype', 'computes in'],
  ['layers', 'layers'],
  ['heads', 'heads'],
  ['kvHeads', 'key/value heads'],
  ['headSize', 'head size'],
  ['context', 'context'],
  ['kvBytesPerToken', 'cache per token'],
  ['kvCacheBits', 'bits of the cache'],
  ['stopTokens', 'stop tokens'],
  ['license', 'licence'],
  ['baseModel', 'base model'],
  ['adapterRank', 'adapter rank'],
];
/** Texts of a registry's tag, each in a block of its own. */
const BLOCKS = [
  ['template', 'template'],
  ['system', 'system'],
  ['params', 'params'],
  ['messages', 'messages'],
  ['licenseText', 'licence'],
] as const;
/** Maximum of lines per block: enough for any template, and for the start of a licence. */
const MAX_LINES = 300;
const LABEL_COLUMNS = 17;
const MAX_LISTED_FILES = 100;

/** `fetch branches REPO --revision REV`: everything known about one revision, each fact with its origin. */
export function renderBranchInFull(table: BranchTable, options: BranchTableOptions = {}): string {
  const { rows, repo } = table;
  const alone = isOneRevision(rows) && rows.length > 1;
  const blocks = rows.map((row) => block(row, repo, alone, options));
  const [first] = rows;
  const template = first?.facts.chatTemplate;
  return [
    ...blocks,
    // All quantisations of a model have one template.
    ...(template === undefined ? [] : [textBlock('chat template', template)]),
    ...BLOCKS.flatMap(([name, label]) => {
      const fact = first?.facts[name];
      return fact === undefined ? [] : [textBlock(label, fact)];
    }),
    ...(table.notes.length === 0 ? [] : [table.notes.map(printable).join('\n')]),
    '',
  ]
    .join('\n\n')
    .replace(/\n+$/, '\n');
}

function block(row: BranchRow, repo: RepoRef, alone: boolean, { columns }: BranchTableOptions): string {
  // The Hub lists the files of a tree, a registry those of a manifest.
  const listing = repo.source === undefined || repo.source === 'hub' ? 'tree' : 'manifest';
  const lines = [
    `${printable(repoPath(repo))}, ${alone ? `${printable(row.revision)}:` : ''}${rowName(row, alone)}`,
    line(
      'commit',
      `${printable(row.commit)}${row.date === undefined ? '' : `, ${row.date.slice(0, 10)}`}`,
      columns,
    ),
    line(
      'download',
      `${formatBytes(row.bytes)} (${groupDigits(row.bytes)} bytes), ${formatCount(row.files.length, 'file')}`,
      columns,
    ),
    line('weights', `${formatBytes(row.weightBytes)} (${listing})`, columns),
    ...(row.formats.length > 1
      ? [
          line(
            'formats',
            row.formats
              .map(
                ({ format, files, bytes }) =>
                  `${format} ${formatBytes(bytes)} in ${formatCount(files, 'file')}`,
              )
              .join('; '),
            columns,
          ),
        ]
      : []),
    ...LABELS.flatMap(([name, label]) => {
      const fact = row.facts[name] as Fact<unknown> | undefined;
      const isRounded = name === 'parameters' && fact?.origin === 'config blob';
      return fact === undefined || isRounded
        ? []
        : [line(label, `${valueText(name, fact.value)} (${fact.origin})`, columns)];
    }),
    ...row.conflicts.map((conflict) => line('conflict', conflictText(conflict), columns)),
    ...row.problems.map((problem) => line('problem', printable(problem), columns)),
    '',
    ...fileLines(row, columns),
  ];
  return lines.join('\n');
}

function line(label: string, text: string, columns: number | undefined): string {
  const [first = '', ...rest] = wrap(text, (columns ?? 120) - LABEL_COLUMNS - 2, '');
  const indent = ' '.repeat(LABEL_COLUMNS + 2);
  return [`${padEndColumns(label, LABEL_COLUMNS)}  ${first}`, ...rest.map((one) => indent + one)].join('\n');
}

function fileLines({ files }: BranchRow, columns: number | undefined): string[] {
  const shown = files.toSorted((left, right) => (left.path < right.path ? -1 : 1)).slice(0, MAX_LISTED_FILES);
  const rest = files.length - shown.length;
  return [
    ...shown.map(({ path, size }) => {
      const name = printable(path);
      return `${formatBytes(size).padStart(9)}  ${columns === undefined ? name : truncateMiddle(name, Math.max(12, columns - 11))}`;
    }),
    ...(rest > 0 ? [`           and ${formatCount(rest, 'more file')}`] : []),
  ];
}

function textBlock(label: string, { value, origin }: Fact<string>): string {
  const lines = value.split('\n').map((one) => `  ${printable(one)}`);
  const shown = lines.slice(0, MAX_LINES);
  const more =
    lines.length > shown.length ? [`  (and ${formatCount(lines.length - shown.length, 'more line')})`] : [];
  return [`${label} (${origin})`, ...shown, ...more].join('\n');
}
