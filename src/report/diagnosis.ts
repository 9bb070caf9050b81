import type { Check } from '../model/check.ts';
import { formatCount, padEndColumns, printable } from './format.ts';
import { safeJson } from './json-reporter.ts';

const STATE_WIDTH = 7;
const NAME_WIDTH = 11;
const INDENT: string = ' '.repeat(STATE_WIDTH + NAME_WIDTH + 4);

/** A line for a check, and one more for what to do about it. */
export function renderCheck({ name, state, message, hint }: Check): string {
  const head = `${padEndColumns(state, STATE_WIDTH)}  ${padEndColumns(name, NAME_WIDTH)}  ${printable(message)}\n`;
  return state === 'ok' || hint === undefined ? head : `${head}${INDENT}${printable(hint)}\n`;
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
