import type { PlainFacts } from './fact-list.ts';
import { METHODS } from './quantisation-methods.ts';

/** Most file systems cannot store a longer name of a ref. */
const MAX_LENGTH = 255;

const IN_NAMES = Array.from(METHODS).flatMap(([name, { isInNames }]) => (isInNames ? [name] : []));
const METHOD = new RegExp(`(?:^|[-_])(${IN_NAMES.join('|')})(?=$|[-_])`);

/** Facts that the name of a branch suggests: the least trusted origin. */
export function readBranchName(name: string): PlainFacts {
  const text = name.slice(0, MAX_LENGTH).toLowerCase();
  const bits =
    /(?:^|[-_./])(\d(?:[._]\d{1,2})?)[-_]?(?:bit|bits|bpw)(?=$|[-_./])/.exec(text)?.[1] ??
    /(?:^|bpw[-_]?)(\d[._]\d{1,2})(?=$|[-_])/.exec(text)?.[1] ??
    /(?:^|[-_.])int([48])(?=$|[-_.])/.exec(text)?.[1];
  const group = /(?:^|[-_])(-?\d{1,4})g(?=$|[-_])/.exec(text)?.[1];
  const order = /act[-_]?order(?:[-_](true|false))?/.exec(text);
  const head = /(?:^|[-_])h(\d)(?=$|[-_])/.exec(text)?.[1];
  const method = METHOD.exec(text)?.[1];
  const width = bits === undefined ? undefined : Number(bits.replace('_', '.'));
  return {
    method,
    bits: width !== undefined && width > 0 ? width : undefined,
    // `gptq-4bit--1g` means a group size of -1.
    groupSize: group === undefined ? undefined : Number(group) < 0 ? 'none' : Number(group) || undefined,
    actOrder: order === null ? undefined : order[1] !== 'false',
    headBits: head === undefined ? undefined : Number(head),
  };
}
