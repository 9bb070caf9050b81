import type { BranchRow } from '../model/branch-facts.ts';
import { widthOf } from './quality.ts';

export type SortOrder = 'size' | 'name' | 'bits' | 'hub';
export const SORT_ORDERS: readonly SortOrder[] = ['size', 'name', 'bits', 'hub'];

/** Smallest first, by name, most bits first, or in the order of the Hub. */
export function sortRows(rows: readonly BranchRow[], order: SortOrder): readonly BranchRow[] {
  switch (order) {
    case 'hub':
      return rows;
    case 'name':
      return rows.toSorted(byName);
    case 'bits':
      return rows.toSorted((left, right) => widthOf(right) - widthOf(left) || byName(left, right));
    case 'size':
      return rows.toSorted((left, right) => left.bytes - right.bytes || byName(left, right));
  }
}

function byName(left: BranchRow, right: BranchRow): number {
  const [one, other] = [left, right].map(({ revision, variant }) => `${revision}:${variant ?? ''}`);
  return one! < other! ? -1 : one! > other! ? 1 : 0;
}
