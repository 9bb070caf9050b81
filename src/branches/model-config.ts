import { isRecord, type JsonRecord } from '../model/json.ts';
import type { PlainFacts } from './fact-list.ts';
import { integerAt, invalidFields, recordAt, textAt } from './json.ts';
import { exact, kvPerToken } from './kv-cache.ts';
import { configKvGroups } from './kv-config.ts';
import { partsOf, shapeOf } from './model-shape.ts';
import { describesQuantisation, readQuantisation } from './quantisation.ts';
import { methodOf } from './quantisation-methods.ts';

const MAX = 1e9;

/** The quantisation that `config.json` describes, at any level; undefined when it describes none. */
export function quantisationIn(config: JsonRecord): PlainFacts | undefined {
  for (const part of partsOf(config)) {
    const block = recordAt(part, 'quantization_config') ?? recordAt(part, 'compression_config');
    // MLX writes its block under both names, without a method. TensorRT-LLM uses `quantization` too.
    const other = recordAt(part, 'quantization');
    if (block !== undefined && methodOf(block) !== undefined) return readQuantisation(block);
    const own = block ?? other;
    if (own === undefined || !describesQuantisation(own)) continue;
    if (Object.hasOwn(own, 'quant_algo')) {
      if (own['quant_algo'] === null) continue;
      return readQuantisation(own, block === undefined ? 'tensorrt-llm' : 'modelopt');
    }
    const isMlx = other !== undefined || isMlxBlock(own);
    return readQuantisation(own, isMlx ? 'mlx' : undefined);
  }
  return undefined;
}

/** A description with bits and a group size but without a method. */
function isMlxBlock(block: JsonRecord): boolean {
  return (
    integerAt(block, 'bits', 1, 16) !== undefined && integerAt(block, 'group_size', 1, 4096) !== undefined
  );
}

/** The shape of the model; of a multimodal model, that of its text part. */
export function readModelConfig(config: JsonRecord): PlainFacts {
  const shape = shapeOf(config);
  const { whole, holders, layers, heads, kvHeads, headSize } = shape;
  const dtype = holders.map((part) => textAt(part, 'torch_dtype', 20) ?? textAt(part, 'dtype', 20));
  const kvGroups = configKvGroups(shape);
  return {
    architecture: textAt(config, 'model_type', 60),
    layers,
    heads,
    kvHeads,
    headSize,
    context: whole(
      'max_position_embeddings',
      'n_positions',
      'seq_length',
      'max_seq_len',
      'n_ctx',
      'max_sequence_length',
    ),
    dtype: dtype.find((value) => value !== undefined),
    kvGroups,
    kvBytesPerToken: kvGroups && kvPerToken(kvGroups),
  };
}

/** Families whose blocks consist of four attention matrices and three of a gated network. */
const DENSE_FAMILIES: ReadonlySet<string> = new Set(['llama', 'mistral', 'qwen2', 'qwen3']);

/** The number of parameters that the shape implies, for headers that do not tell it; undefined for other families. */
export function impliedParameters(config: JsonRecord): number | undefined {
  const facts = readModelConfig(config);
  const { architecture, layers, heads, kvHeads, headSize } = facts;
  const hidden = integerAt(config, 'hidden_size', 1, MAX);
  const inner = integerAt(config, 'intermediate_size', 1, MAX);
  const words = integerAt(config, 'vocab_size', 1, MAX);
  if (!DENSE_FAMILIES.has(architecture ?? '') || !layers || !heads || !kvHeads || !headSize) return undefined;
  if (hidden === undefined || inner === undefined || words === undefined) return undefined;
  const attention = 2 * hidden * headSize * (heads + kvHeads);
  const tables = config['tie_word_embeddings'] === true ? 1 : 2;
  const parameters =
    tables * words * hidden + layers * (attention + 3 * hidden * inner + 2 * hidden) + hidden;
  return exact(parameters);
}

/** The names of fields with values that no model can have, which are ignored. */
export function invalidConfigFields(config: JsonRecord): string[] {
  const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) > 0;
  const shape = ['num_hidden_layers', 'num_attention_heads', 'num_key_value_heads', 'hidden_size'];
  const block = recordAt(config, 'quantization_config') ?? {};
  const isBits = (value: unknown) => typeof value === 'number' && value > 0 && value <= 64;
  return [...invalidFields(config, shape, isCount), ...invalidFields(block, ['bits'], isBits)];
}

/** `tokenizer_config.json`: the chat template, unless it is a separate file, and the token that ends an answer. */
export function readTokenizerConfig(config: JsonRecord): PlainFacts {
  const template = Object.hasOwn(config, 'chat_template') ? config['chat_template'] : undefined;
  const named = Array.isArray(template) ? (template as unknown[]).filter(isRecord) : [];
  const chosen = named.find((entry) => textAt(entry, 'name') === 'default') ?? named[0];
  const end = recordAt(config, 'eos_token');
  const stop = textAt(config, 'eos_token') ?? (end === undefined ? undefined : textAt(end, 'content'));
  return {
    chatTemplate:
      typeof template === 'string'
        ? textAt(config, 'chat_template', 20_000)
        : chosen && textAt(chosen, 'template', 20_000),
    stopTokens: stop === undefined ? undefined : [stop],
  };
}

/** `model.safetensors.index.json`: bytes of all tensors, and, written by newer programs, the number of parameters. */
export function readIndex(index: JsonRecord): PlainFacts {
  const metadata = recordAt(index, 'metadata') ?? {};
  return {
    tensorBytes: integerAt(metadata, 'total_size', 1, Number.MAX_SAFE_INTEGER),
    parameters: integerAt(metadata, 'total_parameters', 1, Number.MAX_SAFE_INTEGER),
  };
}
