import type { KvGroup } from '../model/branch-facts.ts';
import { isRecord, type JsonRecord } from '../model/json.ts';
import { recordAt } from './json.ts';
import {
  groupLayers,
  keepsNothing,
  type LayerKind,
  LLAMA4_CHUNK,
  MAX_LAYERS,
  periodicKinds,
  WINDOW_PERIODS,
} from './kv-cache.ts';
import type { Shape } from './model-shape.ts';

/** Families that also keep the states of an encoder, under other names: not computed. */
const ENCODER_DECODERS =
  /^(m?t5|umt5|bart|mbart|marian|pegasus.*|whisper|m2m_100|nllb.*|led|prophetnet|speech_.*)$/;
/** Families whose `sliding_window` llama.cpp ignores and vLLM uses. */
const WINDOW_IGNORED = /^(mistral|ministral.*|phi3|phimoe|starcoder2)$/;

/** The keys and values that llama.cpp keeps for a model, from its `config.json`; undefined where that is not enough. */
export function configKvGroups(shape: Shape): readonly KvGroup[] | undefined {
  const { family, layers, text } = shape;
  if (keepsNothing(family) || keepsNothing(shape.outerFamily)) return [];
  // The encoder of a T5 alone, as pipelines for pictures have it.
  const classes = shape.list('architectures') ?? [];
  if (classes.some((name) => typeof name === 'string' && name.endsWith('EncoderModel'))) return [];
  if (ENCODER_DECODERS.test(family) || shape.value('is_encoder_decoder') === true) return undefined;
  const blocks = blockWidths(shape);
  if (blocks !== undefined) {
    return groupLayers(
      blocks.map((width) => ({ kind: 'full', width })),
      undefined,
    );
  }
  const listed = kindsListed(shape);
  const count = layers ?? listed?.length ?? perLayerHeads(shape)?.length;
  if (count === undefined || count > MAX_LAYERS) return undefined;
  const widthOf = widths(shape);
  if (widthOf === undefined) return undefined;
  const kinds = (listed ?? kindsImplied(shape, count)).slice(0, count);
  const own = kinds.slice(0, Math.max(0, count - (shape.whole('num_kv_shared_layers') ?? 0)));
  const caches = own.map((kind, layer) => ({ kind, width: widthOf(layer, kind) }));
  if (caches.some(({ width }) => width === undefined)) return undefined;
  const groups = groupLayers(
    caches.map(({ kind, width = 0 }) => ({ kind, width })),
    windowOf(shape),
  );
  const ignored = ignoredWindow(shape, text);
  if (ignored === undefined || kinds.some((kind) => kind !== 'full')) return groups;
  return groups?.map((group) => ({ ...group, window: ignored, ignoredByLlama: true }));
}

/** The window of all layers, in families where llama.cpp ignores it. */
function ignoredWindow(shape: Shape, text: JsonRecord): number | undefined {
  if (text['use_sliding_window'] === false || !WINDOW_IGNORED.test(shape.family)) return undefined;
  return shape.whole('sliding_window');
}

function windowOf(shape: Shape): number | undefined {
  const chunk = shape.value('attention_chunk_size') === null ? undefined : LLAMA4_CHUNK;
  return (
    shape.whole('sliding_window', 'sliding_window_size', 'attention_window_size') ??
    shape.whole('attention_chunk_size') ??
    (shape.family.startsWith('llama4') ? chunk : undefined)
  );
}

/** The kind of every layer, where the file lists them; families have a dozen ways to do so. */
function kindsListed(shape: Shape): LayerKind[] | undefined {
  const names = shape.list('layer_types', 'layers_block_type', 'layer_type_list');
  if (names !== undefined) return names.map(kindOfName);
  const pattern = shape.value('hybrid_override_pattern');
  if (typeof pattern === 'string' && pattern !== '')
    return Array.from(pattern.slice(0, MAX_LAYERS), (letter) => (letter === '*' ? 'full' : 'none'));
  const flags = shape.list('attn_type_list');
  if (flags !== undefined) return flags.map((flag) => (flag === 1 ? 'full' : 'none'));
  const windows = shape.list('hybrid_layer_pattern', 'sliding_window_layout');
  if (windows !== undefined) return windows.map((flag) => (flag === 1 ? 'window' : 'full'));
  const { layers } = shape;
  const all = recordAt(shape.text, 'linear_attn_config');
  // Kimi Linear counts from 1.
  const attending = all === undefined ? undefined : all['full_attn_layers'];
  if (Array.isArray(attending)) return atPlaces(layers, attending as unknown[], 1);
  const places = shape.list('attn_layer_indices', 'full_attn_idxs', 'hybrid_layer_ids');
  return places === undefined ? undefined : atPlaces(layers, places, 0);
}

function kindOfName(name: unknown): LayerKind {
  if (typeof name !== 'string') return 'none';
  if (/sliding|window|local/i.test(name)) return 'window';
  if (/chunk/i.test(name)) return 'chunk';
  if (/linear|mamba|conv|recurrent|ssm|delta|^mlp$|^moe$|lightning/i.test(name)) return 'none';
  return 'full';
}

function atPlaces(
  layers: number | undefined,
  places: readonly unknown[],
  first: number,
): LayerKind[] | undefined {
  if (layers === undefined || layers > MAX_LAYERS) return undefined;
  const wanted = new Set(places);
  return Array.from({ length: layers }, (_, layer) => (wanted.has(layer + first) ? 'full' : 'none'));
}

/** The kind of every layer from a period in the file, or from the rule of the family. */
function kindsImplied(shape: Shape, layers: number): LayerKind[] {
  const full = new Array<LayerKind>(layers).fill('full');
  const cycle = shape.list('block_types', '_block_types')?.map(kindOfCycle);
  if (cycle !== undefined && cycle.length > 0) return full.map((_, layer) => cycle[layer % cycle.length]!);
  const period = shape.whole('attn_layer_period');
  if (period !== undefined) {
    const offset = shape.value('attn_layer_offset');
    return full.map((_, layer) => (layer % period === (offset ?? 0) ? 'full' : 'none'));
  }
  const interval =
    shape.whole('full_attention_interval') ?? (/^qwen3_(next|5)/.test(shape.family) ? 4 : undefined);
  if (interval !== undefined) return periodicKinds(layers, interval, false, 'none');
  if (shape.family.startsWith('llama4')) return chunkedKinds(shape, layers);
  if (windowOf(shape) === undefined || shape.value('use_sliding_window') === false) return full;
  const pattern = shape.value('sliding_window_pattern') ?? shape.value('_sliding_window_pattern');
  if (typeof pattern === 'string' && pattern !== '')
    return full.map((_, layer) => (/[lsw]/i.test(pattern[layer % pattern.length]!) ? 'window' : 'full'));
  const known = WINDOW_PERIODS.get(shape.family.replace(/_text$/, '').replaceAll('_', '-'));
  const every =
    typeof pattern === 'number' && Number.isSafeInteger(pattern) && pattern > 0 ? pattern : known?.[0];
  return every === undefined ? full : periodicKinds(layers, every, known?.[1] ?? false);
}

/** RecurrentGemma's attention has a window. */
function kindOfCycle(name: unknown): LayerKind {
  return name === 'attention' ? 'window' : kindOfName(name);
}

/** Layers without positional encoding (NoPE) attend to all tokens, the others in chunks. */
function chunkedKinds(shape: Shape, layers: number): LayerKind[] {
  if (shape.value('attention_chunk_size') === null) return new Array<LayerKind>(layers).fill('full');
  const rotary = shape.list('no_rope_layers');
  if (rotary !== undefined && rotary.length >= layers)
    return rotary.map((flag) => (flag === 0 ? 'full' : 'chunk'));
  return periodicKinds(layers, shape.whole('no_rope_layer_interval') ?? 4, false, 'chunk');
}

/** Numbers per token of a layer, by its kind. */
function widths(shape: Shape): ((layer: number, kind: LayerKind) => number | undefined) | undefined {
  const rank = shape.whole('kv_lora_rank');
  const rotary = shape.value('qk_rope_head_dim');
  // Latent attention (DeepSeek) keeps one compressed vector and one rotary key instead.
  if (rank !== undefined && typeof rotary === 'number' && Number.isSafeInteger(rotary) && rotary >= 0)
    return () => rank + rotary;
  const { headSize } = shape;
  if (headSize === undefined) return undefined;
  const perLayer = perLayerHeads(shape);
  const { kvHeads } = shape;
  if (perLayer === undefined && kvHeads === undefined) return undefined;
  const key = shape.whole('global_head_dim') ?? headSize;
  const value = shape.whole('global_head_dim', 'v_head_dim') ?? headSize;
  const globalHeads = shape.whole('num_global_key_value_heads');
  const windowKey = shape.whole('swa_head_dim') ?? headSize;
  const windowValue = shape.whole('swa_v_head_dim', 'v_head_dim') ?? windowKey;
  const windowHeads = shape.whole('swa_num_key_value_heads');
  return (layer, kind) => {
    const heads = perLayer?.[layer] ?? kvHeads;
    if (heads === undefined) return undefined;
    if (kind === 'full') return (globalHeads ?? heads) * (key + value);
    return (windowHeads ?? heads) * (windowKey + windowValue);
  };
}

/** Heads of keys and values by layer, where they differ (OpenELM, DeciLM). */
function perLayerHeads(shape: Shape): number[] | undefined {
  const listed = shape.list('num_key_value_heads_per_layer', 'num_kv_heads', 'num_key_value_heads');
  return listed?.map((heads) =>
    typeof heads === 'number' && Number.isSafeInteger(heads) && heads > 0 ? heads : 0,
  );
}

/** `block_configs` from an architecture search (Nemotron Super): every layer has its own attention, or none. */
function blockWidths({ list, heads, headSize }: Shape): number[] | undefined {
  const blocks = list('block_configs');
  if (blocks === undefined || headSize === undefined) return undefined;
  return blocks.map((block) => {
    const attention = isRecord(block) ? recordAt(block, 'attention') : undefined;
    if (attention === undefined || attention['no_op'] === true || attention['replace_with_linear'] === true)
      return 0;
    const { n_heads_in_group: group, num_key_value_heads: own } = attention;
    const kvHeads =
      typeof own === 'number' ? own : typeof group === 'number' && group > 0 ? (heads ?? 0) / group : heads;
    return Number.isSafeInteger(kvHeads) && kvHeads! > 0 ? 2 * kvHeads! * headSize : 0;
  });
}
