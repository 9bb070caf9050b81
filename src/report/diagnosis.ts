import type { Check } from '../model/check.ts';
import { formatCount, padEndColumns, printable } from './format.ts';
import { safeJson } from './json-reporter.ts';
import { wrap } from './text-table.ts';

const STATE_WIDTH = 7;
const NAME_WIDTH = 11;
const INDENT: string = ' '.repeat(STATE_WIDTH + NAME_WIDTH + 4);

/** Narrower than this, words of a message would stand one below the other. */
const LEAST_TEXT = 24;

/** A line for a check, and one more for what to do about it; broken between words where the terminal is narrow. */
export function renderCheck({ name, state, message, hint }: Check, columns?: number): string {
  const before = `${padEndColumns(state, STATE_WIDTH)}  ${padEndColumns(name, NAME_WIDTH)}  `;
  const isNarrow = columns !== undefined && columns < INDENT.length + LEAST_TEXT;
  const indent = isNarrow ? '  ' : INDENT;
  const put = (first: string, text: string): string[] => {
    const lines = columns === undefined ? [text] : wrap(text, columns - indent.length, '');
    return lines.map((line, index) => (index === 0 ? first : indent) + line);
  };
  const texts = [
    ...(isNarrow ? [before.trimEnd(), ...put(indent, printable(message))] : put(before, printable(message))),
    ...(state === 'ok' || hint === undefined ? [] : put(indent, printable(hint))),
  ];
  return `${texts.join('\n')}\n`;
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
 * `doctor --json`: one document. `v` (1), `ok` (nothing failed), and `checks`, each with `name`, `state`, `message`, `hint`
 * (or null) and `code` (of a failed one, else null).
 */
export function renderDiagnosisJson(checks: readonly Check[]): string {
  const document = {
    v: 1,
    ok: checks.every(({ state }) => state !== 'failed'),
    checks: checks.map(({ name, state, message, hint, code }) => ({
      name,
      state,
      message,
      hint: hint ?? null,
      code: code ?? null,
    })),
  };
  return `${safeJson(document, 2)}\n`;
}
