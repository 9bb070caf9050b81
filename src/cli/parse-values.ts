import { FetchError } from '../model/error.ts';

/** `20M` is 20,000,000 bytes per second: powers of 1000, as sizes are printed. */
export function rate(option: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)b?(?:\/s)?$/i.exec(text.trim());
  const value =
    match === null ? 0 : Number(match[1]) * 1000 ** ' kmgt'.indexOf(match[2]!.toLowerCase() || ' ');
  if (value < 1000) throw usage(`${option} takes a rate of at least 1k, such as 20M or 500k, not "${text}".`);
  return Math.round(value);
}

/** A whole number from 1. */
export function count(option: string, text: string, most: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text.trim()) || value < 1 || value > most) {
    throw usage(`${option} takes a whole number from 1 to ${most}, not "${text}".`);
  }
  return value;
}

/** A timer of Node can be set for no longer than 2^31 milliseconds. */
const MAX_SECONDS = 2_000_000;

/** Seconds as they are written; milliseconds come back. */
export function seconds(option: string, text: string): number {
  const value = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text.trim()) || value <= 0 || value > MAX_SECONDS) {
    throw usage(
      `${option} takes a number of seconds greater than 0 and at most ${MAX_SECONDS} (23 days), not "${text}".`,
    );
  }
  return value * 1000;
}

/** One of a few words. */
export function oneOf<T extends string>(option: string, text: string, values: readonly T[]): T {
  const value = values.find((candidate) => candidate === text);
  if (value === undefined) throw usage(`${option} takes ${values.join(', ')}, not "${text}".`);
  return value;
}

/** A mistake of whoever wrote the command or the file. */
export function usage(message: string, hint?: string): FetchError {
  return new FetchError('USAGE', message, { hint: hint ?? 'See `fetch --help`.' });
}
