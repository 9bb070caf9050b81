import { isRecord, type JsonRecord } from '../model/json.ts';
import { integerAt, recordAt, textAt } from './json.ts';
import { MAX_LAYERS } from './kv-cache.ts';

const MAX = 1e9;

/** The numbers of a `config.json`, under any of the names that families use. */
export interface Shape {
  /** `model_type` of the language model. */
  readonly family: string;
  /** `model_type` at the top level. */
  readonly outerFamily: string;
  /** The configuration of the language model. */
  readonly text: JsonRecord;
  readonly holders: readonly JsonRecord[];
  readonly layers: number | undefined;
  readonly heads: number | undefined;
  readonly kvHeads: number | undefined;
  readonly headSize: number | undefined;
  /** The first positive integer under one of these names, in the innermost part that has it. */
  readonly whole: (...names: string[]) => number | undefined;
  /** The same for lists, cut to `MAX_LAYERS`. */
  readonly list: (...names: string[]) => readonly unknown[] | undefined;
  /** The value under a name, of any type. */
  readonly value: (name: string) => unknown;
}

/** The names under which multimodal models keep the configuration of the language model. */
const TEXT_PARTS = ['text_config', 'llm_config', 'language_config', 'language_model_config'];

/** The parts of a configuration, from the outermost to the language model. */
export function partsOf(config: JsonRecord): JsonRecord[] {
  const thinker = recordAt(config, 'thinker_config');
  const outer = thinker === undefined ? [config] : [config, thinker];
  const inner = outer.flatMap((part) => TEXT_PARTS.map((name) => recordAt(part, name)));
  return [...outer, ...inner.filter((part) => part !== undefined)];
}

/**
 * The defaults of the classes in transformers: a nested configuration contains only the differences
 * from them.
 */
const CLASS_DEFAULTS: ReadonlyMap<string, JsonRecord> = new Map<string, JsonRecord>([
  [
    'gemma',
    {
      num_hidden_layers: 28,
      num_attention_heads: 16,
      num_key_value_heads: 16,
      head_dim: 256,
      hidden_size: 3072,
    },
  ],
  [
    'gemma2',
    {
      num_hidden_layers: 26,
      num_attention_heads: 8,
      num_key_value_heads: 4,
      head_dim: 256,
      hidden_size: 2304,
      sliding_window: 4096,
    },
  ],
  [
    'gemma3_text',
    {
      num_hidden_layers: 26,
      num_attention_heads: 8,
      num_key_value_heads: 4,
      head_dim: 256,
      hidden_size: 2304,
      sliding_window: 4096,
    },
  ],
  [
    'gemma3n_text',
    {
      num_hidden_layers: 35,
      num_attention_heads: 8,
      num_key_value_heads: 2,
      head_dim: 256,
      hidden_size: 2048,
      sliding_window: 512,
      num_kv_shared_layers: 15,
    },
  ],
  ['llama', { num_hidden_layers: 32, num_attention_heads: 32, hidden_size: 4096 }],
  ['mistral', { num_hidden_layers: 32, num_attention_heads: 32, num_key_value_heads: 8, hidden_size: 4096 }],
]);

export function shapeOf(config: JsonRecord): Shape {
  const parts = partsOf(config);
  const text = parts.at(-1)!;
  const outerFamily = textAt(config, 'model_type', 60) ?? '';
  const family = textAt(text, 'model_type', 60) ?? outerFamily;
  const defaults =
    parts.length > 1 && Object.hasOwn(text, 'model_type') ? CLASS_DEFAULTS.get(family) : undefined;
  const holders = defaults === undefined ? parts : [defaults, ...parts];
  const inside = holders.toReversed();
  const first = <T>(names: readonly string[], read: (holder: JsonRecord, name: string) => T | undefined) => {
    for (const holder of inside) {
      for (const name of names) {
        const value = read(holder, name);
        if (value !== undefined) return value;
      }
    }
    return undefined;
  };
  const whole = (...names: string[]) => first(names, (holder, name) => integerAt(holder, name, 1, MAX));
  const list = (...names: string[]) => first(names, (holder, name) => listAt(holder, name));
  const value = (name: string) =>
    first([name], (holder) => (Object.hasOwn(holder, name) ? (holder[name] as object | null) : undefined));
  const layers = whole('num_hidden_layers', 'n_layer', 'num_layers', 'n_layers', 'num_transformer_layers');
  const heads = whole('num_attention_heads', 'n_head', 'n_heads');
  const hidden = whole('hidden_size', 'n_embd', 'n_embed', 'd_model', 'model_dim');
  const derived = heads !== undefined && hidden !== undefined ? Math.floor(hidden / heads) : undefined;
  const headSize =
    whole('head_dim', 'attention_head_dim', 'kv_channels') ?? (derived === 0 ? undefined : derived);
  const kvHeads = kvHeadsOf(family, whole, value) ?? heads;
  return { family, outerFamily, text, holders, layers, heads, kvHeads, headSize, whole, list, value };
}

/** Heads of keys and values; 1 for multi-query attention. */
function kvHeadsOf(family: string, whole: Shape['whole'], value: Shape['value']): number | undefined {
  const attention = value('attn_config');
  if (isRecord(attention)) {
    const own = integerAt(attention, 'kv_n_heads', 1, MAX);
    if (own !== undefined) return own;
    if (attention['attn_type'] === 'multiquery_attention') return 1;
  }
  // The classes of these families use multi-query attention by default.
  const isFalcon = /^(falcon|refinedweb.*)$/i.test(family);
  const byDefault = (isFalcon || family === 'gpt_bigcode') && value('multi_query') !== false;
  const shares = value('multi_query') === true || byDefault;
  const isNewFalcon = value('new_decoder_architecture') === true || family === 'RefinedWeb';
  if (shares && !isNewFalcon) return 1;
  if (isFalcon && !isNewFalcon) return undefined;
  if (value('multi_query_attention') === false) return undefined;
  return whole('num_key_value_heads', 'multi_query_group_num', 'n_head_kv', 'num_kv_heads');
}

function listAt(holder: JsonRecord, name: string): readonly unknown[] | undefined {
  const value = Object.hasOwn(holder, name) ? holder[name] : undefined;
  return Array.isArray(value) && value.length > 0 ? (value as unknown[]).slice(0, MAX_LAYERS) : undefined;
}
