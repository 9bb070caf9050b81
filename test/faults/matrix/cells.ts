import type { Effect } from '../../support/hub/faults/effect.ts';
import { type Column, type Expectation, ends, none, type Row, same } from './cell.ts';

export type Cells = Readonly<Record<Column, Expectation>>;
type Extras = Omit<Row, 'name' | 'group' | 'effect' | 'times' | 'cells'>;

/** The branches are asked for only to name the nearest one: whatever comes of it, the revision is not there. */
export const MISSING: Expectation = ends(4, 12);
export const NO_RANGE: Expectation = none('the request has no Range');
export const NO_BODY: Expectation = none('what counts is the head: the body is thrown away');
export const NO_JSON: Expectation = none('the answer is no JSON');
export const NO_PAGES: Expectation = none('the answer has no pages');
export const NO_CDN: Expectation = none('no signed address is used');
export const LATER: Expectation = none('everything is known by then');

/** The same for each kind of request, but for the branches. */
export function all(expectation: Expectation, but: Partial<Cells> = {}): Cells {
  const { revision, tree1, tree2, locate, small, range } = {
    revision: expectation,
    tree1: expectation,
    tree2: expectation,
    locate: expectation,
    small: expectation,
    range: expectation,
    ...but,
  };
  return { revision, refs: but.refs ?? MISSING, tree1, tree2, locate, small, range };
}

/** For answers that are JSON. */
export function api(expectation: Expectation, but: Partial<Cells> = {}): Cells {
  return all(expectation, { locate: NO_JSON, small: NO_JSON, range: NO_JSON, ...but });
}

/** For answers that bring bytes of files. */
export function bytes(small: Expectation, range: Expectation, why: Expectation = NO_RANGE): Cells {
  return { revision: why, refs: why, tree1: why, tree2: why, locate: why, small, range };
}

export function only(column: Column, expectation: Expectation, why: Expectation): Cells {
  return { ...bytes(why, why, why), [column]: expectation };
}

export function rows(group: string, ...list: readonly Omit<Row, 'group'>[]): Row[] {
  return list.map((row) => ({ ...row, group }));
}

export function row(
  name: string,
  times: Row['times'],
  effect: Effect | readonly Effect[],
  cells: Cells,
  extras: Extras = {},
): Omit<Row, 'group'> {
  return { name, times, effect, cells, ...extras };
}

export const TWICE: Expectation = same(14);
export const NEVER: Expectation = ends(6, 14);
/** For ever, on the way of three ranges and eight connections: each of them tries. */
export const NEVER_RANGE: Partial<Cells> = { range: ends(6, 50) };
