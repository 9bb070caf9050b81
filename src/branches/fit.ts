import type { BranchRow, Fit, RankedRow } from '../model/branch-facts.ts';
import { missingText } from '../model/weight-set.ts';
import { isAdapterMethod } from './adapter.ts';
import { llamaCacheBytes, vllmCacheBytes } from './kv-cache.ts';
import { lossOf, measuredLoss, widthOf } from './quality.ts';
import { methodNamed } from './quantisation-methods.ts';

/** Estimated bytes of a program in addition to weights and cache: its GPU context, activations, buffers. */
export const RUNTIME_BYTES = 800_000_000;
/** Tokens of context by default, unless the model has less. */
export const DEFAULT_CONTEXT = 4096;
/** vLLM's cache is shown beside that of llama.cpp if they differ by more than this fraction. */
const WORTH_A_WORD = 0.1;

export interface MemoryQuestion {
  /** Bytes available. */
  readonly memory: number;
  /** Tokens; undefined for the model's own, capped at `DEFAULT_CONTEXT`. */
  readonly context: number | undefined;
}

/** Sums weights, keys and values of the context, and the runtime, and compares the sum with the memory. */
export function fitOf(row: BranchRow, { memory, context: asked }: MemoryQuestion): Fit {
  const { facts } = row;
  const own = facts.context?.value;
  const context = asked ?? Math.min(own ?? DEFAULT_CONTEXT, DEFAULT_CONTEXT);
  const groups = facts.kvGroups?.value;
  const kvCache = groups === undefined ? undefined : llamaCacheBytes(groups, context);
  const weights = row.weightBytes;
  const complete = (row.missingParts ?? 0) === 0;
  const total = weights + (kvCache ?? 0) + RUNTIME_BYTES;
  return {
    weights,
    kvCache,
    kvCacheVllm: vllmCache(row, context, kvCache),
    runtime: RUNTIME_BYTES,
    total,
    context,
    memory,
    fits: weights > 0 && complete && total <= memory,
    reasons: [],
  };
}

/** Bytes that vLLM keeps for the same context, where they differ from `kvCache`. */
function vllmCache({ facts }: BranchRow, context: number, kvCache: number | undefined): number | undefined {
  const groups = facts.kvGroups?.value;
  if (groups === undefined || kvCache === undefined) return undefined;
  const bytes = (vllmCacheBytes(groups, context) * (facts.kvCacheBits?.value ?? 16)) / 16;
  return Math.abs(bytes - kvCache) > WORTH_A_WORD * kvCache ? bytes : undefined;
}

/**
 * Rows from the best to the worst choice, each with the reasons. What fits comes before what does not; among what fits, the
 * least loss of quality, then more bits, smaller groups, act order; what does not fit is ordered by its total size.
 */
export function rankRows(rows: readonly BranchRow[], question: MemoryQuestion): RankedRow[] {
  const measured = rows.map((row) => ({ row, fit: fitOf(row, question) }));
  const ranked = measured.toSorted((left, right) => compare(left, right));
  const best = ranked[0]?.row;
  return ranked.map(({ row, fit }, index) => ({
    row,
    fit: { ...fit, reasons: reasonsFor(row, fit, index === 0, best !== undefined && isAsGood(row, best)) },
  }));
}

function isAsGood(row: BranchRow, best: BranchRow): boolean {
  return lossOf(row) === lossOf(best) && (measuredLoss(best) === undefined || widthOf(row) === widthOf(best));
}

function compare(left: RankedRow, right: RankedRow): number {
  if (left.fit.fits !== right.fit.fits) return left.fit.fits ? -1 : 1;
  if (!left.fit.fits) return unloadable(left) - unloadable(right) || left.fit.total - right.fit.total;
  return (
    lossOf(left.row) - lossOf(right.row) ||
    widthOf(right.row) - widthOf(left.row) ||
    groupOf(left.row) - groupOf(right.row) ||
    Number(right.row.facts.actOrder?.value ?? false) - Number(left.row.facts.actOrder?.value ?? false) ||
    right.fit.weights - left.fit.weights ||
    Number(right.row.revision === 'main') - Number(left.row.revision === 'main') ||
    (left.row.revision < right.row.revision ? -1 : 1)
  );
}

function groupOf({ facts }: BranchRow): number {
  const group = facts.groupSize?.value;
  return typeof group === 'number' ? group : Number.MAX_SAFE_INTEGER;
}

/** 1 where a row cannot be loaded: no weights, or only parts of them. */
function unloadable({ row, fit }: RankedRow): number {
  return fit.weights > 0 && (row.missingParts ?? 0) === 0 ? 0 : 1;
}

function reasonsFor(row: BranchRow, fit: Fit, first: boolean, asGood: boolean): string[] {
  const { facts } = row;
  const missing = row.missingParts ?? 0;
  if (fit.weights === 0) return ['no weights'];
  if (missing > 0) return [missingText(missing)];
  const reasons = fit.fits ? rankReasons(row, first, asGood) : ['too large'];
  if (isAdapterMethod(facts.method?.value))
    reasons.push('an adapter: the model that it belongs to is not in the sum');
  if (fit.kvCache === undefined) reasons.push('cache unknown: not in the sum');
  const own = facts.context?.value;
  if (own !== undefined && fit.context > own) reasons.push(`made for ${own} tokens`);
  const bits = facts.bits?.value;
  if (fit.fits && methodNamed(facts.method?.value).exllama === 'four-bit' && bits !== undefined)
    reasons.push(bits === 4 ? 'ExLlama has kernels for it' : 'ExLlama kernels are 4-bit only');
  return reasons;
}

/** The reasons for the rank of a row that fits. */
function rankReasons(row: BranchRow, first: boolean, asGood: boolean): string[] {
  const loss = measuredLoss(row);
  if (loss !== undefined) {
    const said = `+${Number(loss.toPrecision(3))} ppl`;
    if (first) return [`least loss that fits (${said})`];
    return [asGood ? `fits as well (${said})` : `fits, loses more (${said})`];
  }
  if (widthOf(row) === 0) return ['fits; bits unknown'];
  if (!asGood) return ['fits, with fewer bits'];
  const group = row.facts.groupSize?.value;
  return [
    first ? 'most bits that fit' : 'fits as well',
    ...(typeof group === 'number' ? [`groups of ${group}`] : []),
    ...(row.facts.actOrder?.value === true ? ['act order'] : []),
  ];
}
