/**
 * Index of the first item for which `holds` is true; their number if there is none. It must be false for all items before one
 * for which it is false, and true for all behind one for which it is true.
 */
export function firstIndex<T>(sorted: readonly T[], holds: (item: T) => boolean): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(sorted[middle]!)) high = middle;
    else low = middle + 1;
  }
  return low;
}
