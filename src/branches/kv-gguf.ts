import type { KvGroup } from '../model/branch-facts.ts';
import {
  groupLayers,
  keepsNothing,
  type LayerKind,
  LLAMA4_CHUNK,
  MAX_LAYERS,
  periodicKinds,
  WINDOW_PERIODS,
} from './kv-cache.ts';

/** Looks up a value of the header by its name after `<architecture>.`; the value may be of any type. */
export type Field = (name: string) => unknown;

/** Families with attention in every fourth layer; the others have a state of constant size. */
const INTERVAL_FAMILIES = /^qwen(3next|35|35moe)$/;
/** Gemma 3n: the layers after the twentieth use the keys and values of earlier ones. */
const GEMMA3N_OWN_LAYERS = 20;

/** The keys and values that llama.cpp keeps for a model, from its header; undefined where that is not enough. */
export function ggufKvGroups(architecture: string | undefined, field: Field): readonly KvGroup[] | undefined {
  if (architecture === undefined) return undefined;
  if (keepsNothing(architecture) || field('attention.causal') === false) return [];
  const layers = whole(field('block_count'));
  if (layers === undefined || layers > MAX_LAYERS) return undefined;
  const widths = widthsOf(field);
  if (widths === undefined) return undefined;
  const kinds = kindsOf(architecture, field, layers);
  const own = ownLayers(architecture, field, layers);
  const caches = kinds.slice(0, own).map((kind, layer) => ({ kind, width: widths(layer, kind) }));
  if (caches.some(({ width }) => width === undefined)) return undefined;
  return groupLayers(
    caches.map(({ kind, width = 0 }) => ({ kind, width })),
    whole(field('attention.sliding_window')) ?? (architecture === 'llama4' ? LLAMA4_CHUNK : undefined),
  );
}

/** The number of layers with own keys and values: without layers that share them, and without draft heads. */
function ownLayers(architecture: string, field: Field, layers: number): number {
  const draftHeads = whole(field('nextn_predict_layers')) ?? 0;
  const shared = whole(field('attention.shared_kv_layers')) ?? 0;
  if (shared > 0 || architecture !== 'gemma3n') return Math.max(0, layers - draftHeads - shared);
  return Math.min(layers, GEMMA3N_OWN_LAYERS);
}

function kindsOf(architecture: string, field: Field, layers: number): LayerKind[] {
  const recurrent = list(field('attention.recurrent_layers'));
  if (recurrent !== undefined)
    return Array.from({ length: layers }, (_, layer) => (isTrue(recurrent[layer]) ? 'none' : 'full'));
  const interval =
    whole(field('full_attention_interval')) ?? (INTERVAL_FAMILIES.test(architecture) ? 4 : undefined);
  if (interval !== undefined) return periodicKinds(layers, interval, false, 'none');
  const isChunked = architecture === 'llama4';
  if (
    whole(field('attention.sliding_window')) === undefined &&
    (!isChunked || field('attention.sliding_window') === 0)
  )
    return new Array<LayerKind>(layers).fill('full');
  const kind = isChunked ? 'chunk' : 'window';
  const pattern = field('attention.sliding_window_pattern');
  const listed = list(pattern);
  if (listed !== undefined)
    return Array.from({ length: layers }, (_, layer) => (isTrue(listed[layer]) ? kind : 'full'));
  const [usual, fullFirst] = WINDOW_PERIODS.get(architecture) ?? [1, false];
  return periodicKinds(layers, whole(pattern) ?? usual, fullFirst, kind);
}

/** Numbers per token of a layer. MLA keeps its compressed vector as a key, and no values. */
function widthsOf(field: Field): ((layer: number, kind: LayerKind) => number | undefined) | undefined {
  const heads = field('attention.head_count');
  const kvHeads = field('attention.head_count_kv') ?? heads;
  const hidden = whole(field('embedding_length'));
  const count = whole(heads) ?? largest(list(heads) ?? []);
  const derived = count !== undefined && hidden !== undefined ? Math.floor(hidden / count) : undefined;
  const isLatent =
    whole(field('attention.key_length_mla')) !== undefined &&
    whole(field('attention.value_length_mla')) !== undefined;
  const key = whole(field('attention.key_length')) ?? derived;
  const value = isLatent ? 0 : (whole(field('attention.value_length')) ?? derived);
  if (key === undefined || value === undefined) return undefined;
  const windowKey = whole(field('attention.key_length_swa')) ?? key;
  const windowValue = isLatent ? 0 : (whole(field('attention.value_length_swa')) ?? value);
  const perLayer = list(kvHeads);
  return (layer, kind) => {
    const own = perLayer === undefined ? whole(kvHeads) : (whole(perLayer[layer]) ?? 0);
    if (own === undefined) return undefined;
    return own * (kind === 'window' ? windowKey + windowValue : key + value);
  };
}

function list(value: unknown): readonly unknown[] | undefined {
  return Array.isArray(value) ? (value as unknown[]).slice(0, MAX_LAYERS) : undefined;
}

function isTrue(value: unknown): boolean {
  return value === true || (value !== false && whole(value) !== undefined);
}

export function largest(values: readonly unknown[]): number | undefined {
  return values
    .map(whole)
    .reduce((max, one) => (one !== undefined && one > (max ?? 0) ? one : max), undefined);
}

/** A count; zero, fractions and impossibly large numbers are undefined. */
export function whole(value: unknown): number | undefined {
  const number = typeof value === 'bigint' ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) && number > 0 && number < 1e12
    ? number
    : undefined;
}
