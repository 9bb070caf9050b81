import type { KvGroup } from '../model/branch-facts.ts';

/** Bytes of one key or value: caches are kept in 16 bits unless a program is told otherwise. */
export const KV_BYTES = 2;
/** No model has more; a list of layers in a file may be as long as its sender likes. */
export const MAX_LAYERS = 10_000;
/** Layers differ in a handful of ways at most; searched networks in some dozen. */
const MAX_GROUPS = 100;
/** llama.cpp: `--ubatch-size` of 512 beside the window, and caches of window layers in steps of 256. */
const UBATCH = 512;
const PADDING = 256;
/** vLLM: `max_num_batched_tokens` of its server on a large GPU. */
const BATCHED_TOKENS = 8192;

/** What a layer looks back on: everything, a window, a chunk that begins anew, or nothing that grows. */
export type LayerKind = 'full' | 'window' | 'chunk' | 'none';

/** Keys and values of one layer, by its number. */
export interface LayerCache {
  readonly kind: LayerKind;
  /** Numbers that one token adds: keys and values of all heads. */
  readonly width: number;
}

/**
 * Layers of one kind and width together; undefined where a number cannot be honest. `window` counts for window layers
 * and chunks; without one they look back on everything.
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

/** Bytes that one token of context takes, before a window is full. */
export function kvPerToken(groups: readonly KvGroup[]): number | undefined {
  return exact(groups.reduce((sum, { layers, bytesPerToken }) => sum + layers * bytesPerToken, 0));
}

/** What llama.cpp allocates for so many tokens of one sequence: window layers keep the window and one batch. */
export function llamaCacheBytes(groups: readonly KvGroup[], context: number): number {
  return sum(groups, (group) => {
    if (group.window === undefined || group.ignoredByLlama === true) return context;
    return Math.min(context, Math.ceil((group.window + UBATCH) / PADDING) * PADDING);
  });
}

/** What vLLM keeps at most for one sequence of so many tokens: its batches are larger. */
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

/** Of numbers that multiply to more than can be counted none was honest. */
export function exact(product: number): number | undefined {
  return Number.isSafeInteger(product) ? product : undefined;
}

/**
 * How often a layer looks back on everything where the files do not say it: the period, and whether that layer comes first.
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

/** Llama 4 attends in chunks of so many tokens; llama.cpp has the number in its loader. */
export const LLAMA4_CHUNK = 8192;

/** Models that read a text once and keep nothing of it. llama.cpp makes no cache for them, vLLM an empty one. */
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
  // Diffusion over a whole text: no cache either.
  'dream',
  'llada',
  'llada-moe',
  'rnd1',
]);

/** State instead of keys and values, of a size that does not grow. */
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
