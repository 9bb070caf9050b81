import type { BranchRow, Fact, FactName, Origin } from '../../model/branch-facts.ts';
import { formatBytes, groupDigits, printable } from '../../model/format.ts';

/** Marks after values that come from no file of the branch. */
const MARKS: Partial<Record<Origin, string>> = { card: '*', name: '?', computed: '~' };
export const MARK_LEGEND: readonly (readonly [mark: string, meaning: string])[] = [
  ['*', 'from the card, not from a file of the branch'],
  ['?', 'from the name only'],
  ['~', 'computed'],
];

/** A cell of a table: its text, and the mark of a weak origin. */
export interface Cell {
  readonly text: string;
  readonly mark: string;
}

export const EMPTY: Cell = { text: '', mark: '' };

/** A fact of a row as a cell; empty if unknown. */
export function factCell(row: BranchRow, name: FactName): Cell {
  const shown = name === 'parameters' && row.facts.parameterLabel !== undefined ? 'parameterLabel' : name;
  const fact = row.facts[shown] as Fact<unknown> | undefined;
  if (fact === undefined) return EMPTY;
  return { text: valueText(name, fact.value), mark: MARKS[fact.origin] ?? '' };
}

/** Bits of a row: all widths if they are mixed, the real mean for GGUF. */
export function bitsCell(row: BranchRow): Cell {
  if (row.facts.mixedBits !== undefined) return factCell(row, 'mixedBits');
  if (row.facts.method?.value === 'gguf' && row.facts.bitsPerWeight !== undefined)
    return factCell(row, 'bitsPerWeight');
  return factCell(row, row.facts.bits === undefined ? 'bitsPerWeight' : 'bits');
}

/** A value as text for people. Names come from servers and are made printable. */
export function valueText(name: FactName, value: unknown): string {
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (Array.isArray(value)) {
    const parts = (value as unknown[]).map((one) => printable(String(one)));
    return name === 'mixedBits' ? parts.join('/') : parts.map((one) => JSON.stringify(one)).join(' ');
  }
  if (typeof value !== 'number') return METHOD_NAMES.get(String(value)) ?? printable(String(value));
  switch (name) {
    case 'parameters':
      return formatParameters(value);
    case 'tensorBytes':
      return formatBytes(value);
    case 'kvBytesPerToken':
      return `${groupDigits(value / 1024)} KiB`;
    case 'context':
    case 'sequenceLength':
      return groupDigits(value);
    default:
      return String(Number(value.toPrecision(6)));
  }
}

const METHOD_NAMES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    gptq: 'GPTQ',
    awq: 'AWQ',
    exl2: 'EXL2',
    exl3: 'EXL3',
    mlx: 'MLX',
    gguf: 'GGUF',
    fp8: 'FP8',
    mxfp4: 'MXFP4',
    lora: 'LoRA adapter',
  }),
);

/** `7.24B`, `82.1M`. */
export function formatParameters(count: number): string {
  if (count < 999.5) return String(count);
  const [divisor, unit] = count >= 999.5e6 ? [1e9, 'B'] : count >= 999.5e3 ? [1e6, 'M'] : [1e3, 'k'];
  const value = count / divisor;
  return `${value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0)}${unit}`;
}

/** Whether the row is of a registry: a manifest, or a tag whose manifest cannot be used. */
export function isOfRegistry({ commit }: BranchRow): boolean {
  return commit === '' || commit.startsWith('sha256:');
}

/** `gptq-4bit-32g-actorder_True`; `v1.0 (tag)`; `main:Q4_K_M`, or `Q4_K_M` alone where all rows are of one branch. */
export function rowName(row: BranchRow, oneRevision: boolean): string {
  // A registry has only tags.
  const isMarked = row.kind === 'tag' && !isOfRegistry(row);
  const revision = printable(row.revision) + (isMarked ? ' (tag)' : '');
  if (row.variant === undefined) return revision;
  return oneRevision ? printable(row.variant) : `${revision}:${printable(row.variant)}`;
}
