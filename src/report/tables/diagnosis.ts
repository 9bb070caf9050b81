import { type Check, NAME_COLUMNS } from '../../model/diagnostic.ts';
import { displayWidth, formatCount, padEndColumns, printable } from '../../model/format.ts';
import { safeJson } from '../progress/json-reporter.ts';
import { wrap } from './text-table.ts';

const STATE_WIDTH = 7;
const GAP = 2;
const TEXT_COLUMN: number = STATE_WIDTH + NAME_COLUMNS + 2 * GAP;
/** If the column of text would be narrower than this, the text goes below the name. */
const MIN_TEXT_WIDTH = 32;
const NARROW_INDENT = 2;

/**
 * One line per check, further lines for its details, and one for what to do about it. All are folded at `columns`, if
 * given.
 */
export function renderCheck(
  { name, state, message, hint, details = [] }: Check,
  columns?: number | undefined,
): string {
  const texts = [message, ...details, ...(state === 'ok' || hint === undefined ? [] : [hint])].map(printable);
  const head = `${padEndColumns(state, STATE_WIDTH)}${' '.repeat(GAP)}`;
  const wide = columns === undefined || columns - TEXT_COLUMN >= MIN_TEXT_WIDTH;
  const indent = wide ? TEXT_COLUMN : NARROW_INDENT;
  const lines = texts.flatMap((text) => fold(text, columns === undefined ? undefined : columns - indent));
  const indented = lines.map((line) => ' '.repeat(indent) + line);
  if (!wide) return `${[head + name, ...indented].join('\n')}\n`;
  indented[0] = `${head}${padEndColumns(name, NAME_COLUMNS)}${' '.repeat(GAP)}${lines[0] ?? ''}`;
  return `${indented.join('\n')}\n`;
}

/** Wraps text at `columns`: between words, or inside a word that is longer than a line. */
function fold(text: string, columns: number | undefined): string[] {
  if (columns === undefined || displayWidth(text) <= columns) return [text];
  const width = Math.max(2, columns);
  // Only the first line keeps its columns.
  const words = text.split(' ').flatMap((word) => pieces(word, width));
  return wrap(words.join(' '), width, '');
}

function pieces(word: string, columns: number): string[] {
  const found: string[] = [];
  let piece = '';
  for (const character of word) {
    if (piece !== '' && displayWidth(piece + character) > columns) {
      found.push(piece);
      piece = '';
    }
    piece += character;
  }
  return [...found, piece];
}

/** `18 checks: 15 ok, 1 warning, 2 skipped`. */
export function diagnosisSentence(checks: readonly Check[]): string {
  const count = (state: Check['state']) => checks.filter((check) => check.state === state).length;
  const parts = [
    [count('ok'), 'ok'],
    [count('warning'), count('warning') === 1 ? 'warning' : 'warnings'],
    [count('failed'), 'failed'],
    [count('skipped'), 'skipped'],
  ] as const;
  const told = parts.filter(([number]) => number > 0).map(([number, what]) => `${number} ${what}`);
  return `${formatCount(checks.length, 'check')}: ${told.join(', ')}`;
}

/**
 * `doctor --json`: one document. `v` (1), `ok` (nothing failed), and `checks`, each with `name`, `state`, `message`,
 * `details` (a list, mostly empty), `hint` (or null) and `code` (of a failed one, else null).
 */
export function renderDiagnosisJson(checks: readonly Check[]): string {
  const document = {
    v: 1,
    ok: checks.every(({ state }) => state !== 'failed'),
    checks: checks.map(({ name, state, message, details, hint, code }) => ({
      name,
      state,
      message,
      details: details ?? [],
      hint: hint ?? null,
      code: code ?? null,
    })),
  };
  return `${safeJson(document, 2)}\n`;
}
