import type { BranchRow, Fit, RankedRow } from '../model/branch-facts.ts';

/** What a program takes beside weights and cache: its own context on the GPU, activations, buffers. A rule of thumb. */
export const RUNTIME_BYTES = 800_000_000;
/** Tokens that are reckoned with unless told otherwise, if the model has as many. */
export const DEFAULT_CONTEXT = 4096;

export interface MemoryQuestion {
  /** Bytes that there are. */
  readonly memory: number;
  /** Tokens; undefined for the model's own, capped at `DEFAULT_CONTEXT`. */
  readonly context: number | undefined;
}

/** Weights, keys and values of the context, and the runtime: does it fit? */
export function fitOf(row: BranchRow, { memory, context: asked }: MemoryQuestion): Fit {
  const { facts } = row;
  const own = facts.context?.value;
  const context = asked ?? Math.min(own ?? DEFAULT_CONTEXT, DEFAULT_CONTEXT);
  const perToken = facts.kvBytesPerToken?.value;
  const kvCache = perToken === undefined ? undefined : perToken * context;
  const weights = row.weightBytes;
  const total = weights + (kvCache ?? 0) + RUNTIME_BYTES;
  return {
    weights,
    kvCache,
    runtime: RUNTIME_BYTES,
    total,
    context,
    memory,
    fits: weights > 0 && total <= memory,
    reasons: [],
  };
}

/**
 * Rows from the best to the worst choice, each with the reasons. What fits comes before what does not; among what fits,
 * more bits per weight lose less of the model, then smaller groups, then act order; what does not fit is ordered by how little is missing.
 */
export function rankRows(rows: readonly BranchRow[], question: MemoryQuestion): RankedRow[] {
  const measured = rows.map((row) => ({ row, fit: fitOf(row, question) }));
  const ranked = measured.toSorted((left, right) => compare(left, right));
  const bestBits = Math.max(0, ...ranked.filter(({ fit }) => fit.fits).map(({ row }) => widthOf(row)));
  return ranked.map(({ row, fit }, index) => ({
    row,
    fit: { ...fit, reasons: reasonsFor(row, fit, index === 0, widthOf(row) === bestBits) },
  }));
}

function compare(left: RankedRow, right: RankedRow): number {
  if (left.fit.fits !== right.fit.fits) return left.fit.fits ? -1 : 1;
  if (!left.fit.fits) return emptyLast(left) - emptyLast(right) || left.fit.total - right.fit.total;
  return (
    widthOf(right.row) - widthOf(left.row) ||
    groupOf(left.row) - groupOf(right.row) ||
    Number(right.row.facts.actOrder?.value ?? false) - Number(left.row.facts.actOrder?.value ?? false) ||
    right.fit.weights - left.fit.weights ||
    Number(right.row.revision === 'main') - Number(left.row.revision === 'main') ||
    (left.row.revision < right.row.revision ? -1 : 1)
  );
}

/** Bits that a weight really gets; whole formats count with their width. */
export function widthOf({ facts }: BranchRow): number {
  const { bitsPerWeight, bits, method, dtype } = facts;
  if (method?.value === 'gguf' || bits === undefined) {
    if (bitsPerWeight !== undefined) return bitsPerWeight.value;
    if (bits === undefined) return dtype?.value === 'float32' ? 32 : dtype === undefined ? 0 : 16;
  }
  return bits?.value ?? 0;
}

function groupOf({ facts }: BranchRow): number {
  const group = facts.groupSize?.value;
  return typeof group === 'number' ? group : Number.MAX_SAFE_INTEGER;
}

function emptyLast({ fit }: RankedRow): number {
  return fit.weights > 0 ? 0 : 1;
}

function reasonsFor(row: BranchRow, fit: Fit, first: boolean, widest: boolean): string[] {
  const { facts } = row;
  const reasons: string[] = [];
  if (fit.weights === 0) return ['no weights'];
  if (!fit.fits) reasons.push('too large');
  else if (widest && widthOf(row) > 0) {
    const group = facts.groupSize?.value;
    reasons.push(first ? 'most bits that fit' : 'fits as well');
    if (typeof group === 'number') reasons.push(`groups of ${group}`);
    if (facts.actOrder?.value === true) reasons.push('act order');
  } else reasons.push('fits, with fewer bits');
  if (fit.kvCache === undefined) reasons.push('cache unknown: not in the sum');
  const own = facts.context?.value;
  if (own !== undefined && fit.context > own) reasons.push(`made for ${own} tokens`);
  const bits = facts.bits?.value;
  if (fit.fits && facts.method?.value === 'gptq' && bits !== undefined)
    reasons.push(bits === 4 ? 'ExLlama has kernels for it' : 'ExLlama kernels are 4-bit only');
  return reasons;
}
