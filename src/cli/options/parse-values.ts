import { usage } from '../../model/error.ts';

/** The hint of an error that says by itself what was expected. */
export const SEE_HELP = 'See `fetch --help`.';

/**
 * Bytes: `20M`, `20MB` are 20,000,000 and `20MiB`, `20Mi` are 20 × 2^20. `bare` is the factor of a number without a
 * unit. Undefined for anything else.
 */
export function size(text: string, bare: number): number | undefined {
  const [, number, prefix = '', binary, unit] =
    /^(\d+(?:\.\d+)?)\s*([kmgt])?(i)?(b)?$/i.exec(text.trim()) ?? [];
  if (number === undefined || (prefix === '' && binary !== undefined)) return undefined;
  if (prefix === '') return Number(number) * (unit === undefined ? bare : 1);
  return Number(number) * (binary === undefined ? 1000 : 1024) ** ' kmgt'.indexOf(prefix.toLowerCase());
}

/** `20M` is 20,000,000 bytes per second: powers of 1000, as sizes are printed; `20MiB` is a little more. */
export function rate(option: string, text: string): number {
  const value = size(text.replace(/\/s$|ps$/i, ''), 1) ?? 0;
  if (value < 1000)
    throw usage(`${option} takes a rate of at least 1k, such as 20M, 500k or 5MiB, not "${text}".`, SEE_HELP);
  return Math.round(value);
}

/** A whole number from 1. */
export function count(option: string, text: string, most: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text.trim()) || value < 1 || value > most) {
    throw usage(`${option} takes a whole number from 1 to ${most}, not "${text}".`, SEE_HELP);
  }
  return value;
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 };
/** Node's timers wait at most 2^31 ms, almost 25 days. */
const MAX_SECONDS = 2_000_000;

/** Parses seconds, or `90s`, `5m`, `1h30m`, `2d`; returns milliseconds. */
export function seconds(option: string, text: string): number {
  const written = text.trim().toLowerCase();
  const isPlain = /^\d+(\.\d+)?$/.test(written);
  const parts = Array.from(written.matchAll(/(\d+(?:\.\d+)?)\s*(ms|[smhd])\s*/g));
  const isWhole = parts.length > 0 && parts.map(([part]) => part).join('') === written;
  const sum = parts.reduce((total, [, number, unit]) => total + Number(number) * UNIT_SECONDS[unit!]!, 0);
  const value = isPlain ? Number(written) : isWhole ? sum : 0;
  if (value <= 0 || value > MAX_SECONDS) {
    throw usage(
      `${option} takes seconds, or a time such as 90s, 5m or 1h, up to 23 days, not "${text}".`,
      SEE_HELP,
    );
  }
  return value * 1000;
}

/** Parses one of `words`. */
export function oneOf<T extends string>(option: string, text: string, values: readonly T[]): T {
  const value = values.find((candidate) => candidate === text);
  if (value !== undefined) return value;
  const near = values.find((candidate) => text.toLowerCase().replace(/s$/, '') === candidate);
  const hint = near === undefined ? SEE_HELP : `Did you mean ${near}?`;
  throw usage(`${option} takes ${values.join(', ')}, not "${text}".`, hint);
}
