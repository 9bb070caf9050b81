import type { KvGroup } from '../model/branch-facts.ts';

/** Bytes of one key or value: programs keep caches in 16 bits by default. */
export const KV_BYTES = 2;
/** A limit for lists of layers, which come from a server. */
export const MAX_LAYERS = 10_000;
/** Most models have a few kinds of layers, those from an architecture search some dozens. */
const MAX_GROUPS = 100;
/** llama.cpp adds `--ubatch-size` (512) to the window, and rounds caches of window layers up to 256. */
const UBATCH = 512;
const PADDING = 256;
/** vLLM: `max_num_batched_tokens` of its server on a large GPU. */
const BATCHED_TOKENS = 8192;

/** The range of tokens whose keys and values a layer keeps: all, a sliding window, a chunk that restarts, or none. */
export type LayerKind = 'full' | 'window' | 'chunk' | 'none';

/** Keys and values of one layer, by its number. */
export interface LayerCache {
  readonly kind: LayerKind;
  /** Numbers per token: keys and values of all heads. */
  readonly width: number;
}

/**
 * Groups layers by kind and width; undefined where a number is impossible. `window` applies to window layers
 * and chunks; without it they keep all tokens.
 */
export function groupLayers(
  layers: readonly LayerCache[],
  window: number | undefined,
): readonly KvGroup[] | undefined {
  const groups = new Map<string, KvGroup>();
  for (const { kind, width } of layers) {
    const bytesPerToken = width * KV_BYTES;
    if (kind === 'none' || width === 0) continue;
    if (!Number.isSafeInteger(bytesPerToken) || bytesPerToken < 0) return undefined;
    const limited = kind !== 'full' && window !== undefined;
    const key = `${limited ? kind : 'full'} ${width}`;
    const known = groups.get(key);
    const limits = limited ? { window, chunked: kind === 'chunk' } : {};
    groups.set(key, { layers: (known?.layers ?? 0) + 1, bytesPerToken, ...limits });
  }
  return groups.size > MAX_GROUPS ? undefined : [...groups.values()];
}

/** Bytes per token of context, before a window is full. */
export function kvPerToken(groups: readonly KvGroup[]): number | undefined {
  return exact(groups.reduce((sum, { layers, bytesPerToken }) => sum + layers * bytesPerToken, 0));
}

/** Bytes that llama.cpp allocates for `context` tokens of one sequence: window layers keep the window and one batch. */
export function llamaCacheBytes(groups: readonly KvGroup[], context: number): number {
  return sum(groups, (group) => {
    if (group.window === undefined || group.ignoredByLlama === true) return context;
    return Math.min(context, Math.ceil((group.window + UBATCH) / PADDING) * PADDING);
  });
}

/** Bytes that vLLM keeps at most for one sequence of `context` tokens: its batches are larger. */
export function vllmCacheBytes(groups: readonly KvGroup[], context: number): number {
  return sum(groups, ({ window, chunked }) => {
    if (window === undefined) return context;
    return Math.min(context, window - (chunked === true ? 0 : 1) + BATCHED_TOKENS);
  });
}

function sum(groups: readonly KvGroup[], tokensOf: (group: KvGroup) => number): number {
  return groups.reduce((total, group) => total + group.layers * group.bytesPerToken * tokensOf(group), 0);
}

/** Window layers with a full one at the end of every `period`, or at its start. A period of 1 means no window. */
export function periodicKinds(
  layers: number,
  period: number,
  fullFirst: boolean,
  kind: 'window' | 'chunk' | 'none' = 'window',
): LayerKind[] {
  return Array.from({ length: layers }, (_, layer) =>
    layer % period === (fullFirst ? 0 : period - 1) ? 'full' : kind,
  );
}

/** The number itself, or undefined if it is too large to be exact: then a factor was invalid. */
export function exact(product: number): number | undefined {
  return Number.isSafeInteger(product) ? product : undefined;
}

/**
 * The period of full layers, for families whose files do not state it, and whether the full layer comes first.
 * From the loaders of llama.cpp (`set_swa_pattern` in `src/models/`); names are those of GGUF files.
 */
export const WINDOW_PERIODS: ReadonlyMap<string, readonly [period: number, fullFirst: boolean]> = new Map([
  ['afmoe', [4, false]],
  ['cohere2', [4, false]],
  ['exaone4', [4, false]],
  ['exaone-moe', [4, false]],
  ['gemma2', [2, false]],
  ['gemma3', [6, false]],
  ['gemma3n', [5, false]],
  ['gpt-oss', [2, false]],
  ['laguna', [4, true]],
  ['llama4', [4, false]],
  ['olmo2', [4, false]],
  ['olmo3', [4, false]],
  ['plamo3', [8, false]],
  ['smallthinker', [4, true]],
]);

/** Tokens per chunk of Llama 4, as in the loader of llama.cpp. */
export const LLAMA4_CHUNK = 8192;

/** Encoders keep no keys and values: llama.cpp makes no cache for them, vLLM an empty one. */
const ENCODERS: ReadonlySet<string> = new Set([
  'albert',
  'camembert',
  'clip',
  'convbert',
  'data2vec-text',
  'deberta',
  'deberta-v2',
  'electra',
  'ernie',
  'ernie_m',
  'esm',
  'eurobert',
  'flaubert',
  'gemma-embedding',
  'gte',
  'hubert',
  'longformer',
  'luke',
  'mpnet',
  'new',
  'nystromformer',
  'rembert',
  'roformer',
  'siglip',
  'splinter',
  't5encoder',
  'vit',
  'wav2vec2',
  'wavlm',
  'wavtokenizer-dec',
  'xlm',
  // Text diffusion has no cache either.
  'dream',
  'llada',
  'llada-moe',
  'rnd1',
]);

/** Families with a state of constant size instead of keys and values. */
const RECURRENT = /^(mamba\d?|falcon[-_]mamba|rwkv.*|arwkv\d|xlstm)$/;

/** Whether a family keeps no keys and values at all. */
export function keepsNothing(family: string): boolean {
  const name = family.toLowerCase();
  const bare = name.replaceAll('_', '-');
  return (
    ENCODERS.has(name) ||
    ENCODERS.has(bare) ||
    // bert, roberta, xlm-roberta, distilbert, modernbert, nomic-bert, nomic-bert-moe, jina-bert-v2 …
    /bert(a)?([-_](moe|v\d|xl|prelayernorm))?$/.test(name) ||
    RECURRENT.test(name)
  );
}
