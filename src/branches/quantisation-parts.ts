import type { JsonRecord } from '../model/json.ts';
import type { PlainFacts } from './fact-list.ts';
import { integerAt } from './json.ts';

/** Valid bits per weight. */
export const MIN_BITS = 0.1;
export const MAX_BITS = 64;
export const MAX_GROUP = 1_000_000;
/** Settings of single modules that are read. */
export const MAX_MODULES = 100_000;
/** Mixed models have a few widths. */
const MAX_WIDTHS = 32;

/** The smallest of several widths, and all of them where they differ. */
export function bitsOf(widths: readonly (number | undefined)[]): Pick<PlainFacts, 'bits' | 'mixedBits'> {
  const known = Array.from(new Set(widths.filter((width) => width !== undefined))).sort((a, b) => a - b);
  if (known.length === 0 || known.length > MAX_WIDTHS) return {};
  return known.length === 1 ? { bits: known[0] } : { bits: known[0], mixedBits: known };
}

/** -1 means one scale per column; older AWQ files call it `q_group_size`. */
export function groupSize(config: JsonRecord): number | 'none' | undefined {
  const name = Object.hasOwn(config, 'group_size') ? 'group_size' : 'q_group_size';
  const size = integerAt(config, name, -1, MAX_GROUP);
  if (size === undefined || size === 0) return undefined;
  return size === -1 ? 'none' : size;
}
