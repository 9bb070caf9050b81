import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseRecord } from '../../../src/branches/json.ts';
import { llamaCacheBytes, vllmCacheBytes } from '../../../src/branches/kv-cache.ts';
import { ggufKvGroups } from '../../../src/branches/kv-gguf.ts';
import { readModelConfig } from '../../../src/branches/model-config.ts';

const CONTEXTS = [4096, 32768, 131072];
const times = <T>(count: number, ...pattern: T[]) =>
  Array.from({ length: count }, (_, index) => pattern[index % pattern.length]!);
const mib = (groups: Parameters<typeof llamaCacheBytes>[0] | undefined, count = llamaCacheBytes) =>
  groups && CONTEXTS.map((context) => Math.round(count(groups, context) / 2 ** 20));
const shape = (layers: number, heads: number, kv: number, size: number) => ({
  num_hidden_layers: layers,
  num_attention_heads: heads,
  num_key_value_heads: kv,
  head_dim: size,
});
const [sliding, full, linear] = ['sliding_attention', 'full_attention', 'linear_attention'];

// MiB at 4k, 32k and 128k tokens: what llama.cpp allocates in f16 for one sequence with a micro-batch of 512.
describe('config.json', () => {
  test.each<[string, object, number[]]>([
    ['Llama 3.1 8B', { model_type: 'llama', ...shape(32, 32, 8, 128) }, [512, 4096, 16384]],
    [
      'Mistral 7B',
      { model_type: 'mistral', ...shape(32, 32, 8, 128), sliding_window: 4096 },
      [512, 4096, 16384],
    ],
    [
      'InternVL3',
      {
        llm_config: {
          model_type: 'qwen2',
          ...shape(32, 32, 8, 128),
          sliding_window: 32768,
          use_sliding_window: false,
        },
      },
      [512, 4096, 16384],
    ],
    [
      'DeepSeek V2 Lite in a vision model',
      { language_config: { ...shape(27, 16, 16, 128), kv_lora_rank: 512, qk_rope_head_dim: 64 } },
      [122, 972, 3888],
    ],
    [
      'Kimi-Linear',
      {
        model_type: 'kimi_linear',
        ...shape(27, 32, 32, 72),
        kv_lora_rank: 512,
        qk_rope_head_dim: 64,
        linear_attn_config: { full_attn_layers: [4, 8, 12, 16, 20, 24, 27], kda_layers: [1, 2, 3] },
      },
      [32, 252, 1008],
    ],
    [
      'Gemma 2 9B',
      { model_type: 'gemma2', ...shape(42, 16, 8, 256), sliding_window: 4096 },
      [1344, 6132, 22260],
    ],
    [
      'Gemma 3 27B',
      {
        model_type: 'gemma3',
        text_config: { model_type: 'gemma3_text', ...shape(62, 32, 16, 128), sliding_window: 1024 },
      },
      [944, 3184, 10864],
    ],
    [
      'Gemma 3 4B as published',
      {
        model_type: 'gemma3',
        text_config: {
          model_type: 'gemma3_text',
          hidden_size: 2560,
          num_hidden_layers: 34,
          sliding_window: 1024,
        },
      },
      [254, 814, 2734],
    ],
    [
      'Gemma 3n E4B',
      {
        text_config: {
          model_type: 'gemma3n_text',
          ...shape(35, 8, 2, 256),
          num_kv_shared_layers: 15,
          sliding_window: 512,
          layer_types: times(35, sliding, sliding, sliding, sliding, full),
        },
      },
      [64, 288, 1056],
    ],
    [
      'Gemma 4 31B',
      {
        text_config: {
          model_type: 'gemma4_text',
          ...shape(60, 32, 16, 256),
          global_head_dim: 512,
          num_global_key_value_heads: 4,
          sliding_window: 1024,
          layer_types: times(60, sliding, sliding, sliding, sliding, sliding, full),
        },
      },
      [1520, 3760, 11440],
    ],
    [
      'gpt-oss 20B',
      {
        model_type: 'gpt_oss',
        ...shape(24, 64, 8, 64),
        sliding_window: 128,
        layer_types: times(24, sliding, full),
      },
      [114, 786, 3090],
    ],
    [
      'Command R7B',
      { model_type: 'cohere2', ...shape(32, 32, 8, 128), sliding_window: 4096, sliding_window_pattern: 4 },
      [512, 1456, 4528],
    ],
    [
      'Llama 4 Scout',
      {
        text_config: {
          model_type: 'llama4_text',
          ...shape(48, 40, 8, 128),
          attention_chunk_size: 8192,
          no_rope_layers: [],
        },
      },
      [768, 2760, 7368],
    ],
    [
      'Llama 4 Scout, layer by layer',
      {
        text_config: {
          model_type: 'llama4_text',
          ...shape(48, 40, 8, 128),
          attention_chunk_size: 8192,
          no_rope_layers: times(48, 1, 1, 1, 0),
        },
      },
      [768, 2760, 7368],
    ],
    [
      'Qwen3-Next',
      { model_type: 'qwen3_next', ...shape(48, 16, 2, 256), full_attention_interval: 4 },
      [96, 768, 3072],
    ],
    [
      'Qwen3.5',
      {
        text_config: {
          model_type: 'qwen3_5_text',
          ...shape(48, 16, 2, 256),
          layer_types: times(48, linear, linear, linear, full),
        },
      },
      [96, 768, 3072],
    ],
    [
      'Jamba',
      { model_type: 'jamba', ...shape(32, 32, 8, 128), attn_layer_period: 8, attn_layer_offset: 4 },
      [64, 512, 2048],
    ],
    [
      'MiniMax-Text-01',
      {
        model_type: 'minimax_text_01',
        ...shape(80, 64, 8, 128),
        attn_type_list: times(80, 0, 0, 0, 0, 0, 0, 0, 1),
      },
      [160, 1280, 5120],
    ],
    [
      'Nemotron-H 8B',
      {
        model_type: 'nemotron_h',
        num_hidden_layers: 52,
        hybrid_override_pattern: 'M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M-',
        num_attention_heads: 32,
        num_key_value_heads: 8,
        attention_head_dim: 128,
        hidden_size: 4096,
      },
      [64, 512, 2048],
    ],
    [
      'Granite 4 H small',
      {
        model_type: 'granitemoehybrid',
        ...shape(40, 32, 8, 128),
        layer_types: times(
          40,
          'mamba',
          'mamba',
          'mamba',
          'mamba',
          'mamba',
          'attention',
          'mamba',
          'mamba',
          'mamba',
          'mamba',
        ),
      },
      [64, 512, 2048],
    ],
    [
      'LFM2 1.2B',
      { model_type: 'lfm2', ...shape(16, 32, 8, 64), full_attn_idxs: [2, 5, 8, 10, 12, 14] },
      [48, 384, 1536],
    ],
    [
      'Bamba',
      { model_type: 'bamba', ...shape(32, 32, 8, 128), attn_layer_indices: [9, 18, 27] },
      [48, 384, 1536],
    ],
    [
      'RecurrentGemma',
      {
        model_type: 'recurrent_gemma',
        ...shape(26, 10, 1, 256),
        block_types: ['recurrent', 'recurrent', 'attention'],
        attention_window_size: 2048,
      },
      [20, 20, 20],
    ],
    [
      'Falcon-H1: every layer attends',
      { model_type: 'falcon_h1', ...shape(44, 12, 2, 128) },
      [176, 1408, 5632],
    ],
    [
      'Falcon 7B',
      {
        model_type: 'falcon',
        num_hidden_layers: 32,
        num_attention_heads: 71,
        num_kv_heads: 71,
        hidden_size: 4544,
        multi_query: true,
        new_decoder_architecture: false,
      },
      [32, 256, 1024],
    ],
    [
      'Falcon 40B',
      {
        model_type: 'falcon',
        num_hidden_layers: 60,
        num_attention_heads: 128,
        num_kv_heads: 8,
        hidden_size: 8192,
        multi_query: true,
        new_decoder_architecture: true,
      },
      [480, 3840, 15360],
    ],
    [
      'StarCoder',
      { model_type: 'gpt_bigcode', n_layer: 40, n_head: 48, n_embd: 6144, multi_query: true },
      [80, 640, 2560],
    ],
    [
      'DBRX',
      { model_type: 'dbrx', n_layers: 40, n_heads: 48, d_model: 6144, attn_config: { kv_n_heads: 8 } },
      [640, 5120, 20480],
    ],
    [
      'MPT with shared heads',
      {
        model_type: 'mpt',
        n_layers: 32,
        n_heads: 32,
        d_model: 4096,
        attn_config: { attn_type: 'grouped_query_attention', kv_n_heads: 8 },
      },
      [512, 4096, 16384],
    ],
    [
      'MPT with one head',
      {
        model_type: 'mpt',
        n_layers: 32,
        n_heads: 32,
        d_model: 4096,
        attn_config: { attn_type: 'multiquery_attention' },
      },
      [64, 512, 2048],
    ],
    [
      'Nemotron Super',
      {
        model_type: 'nemotron-nas',
        num_hidden_layers: 2,
        num_attention_heads: 64,
        num_key_value_heads: null,
        hidden_size: 8192,
        block_configs: [
          { attention: { n_heads_in_group: 8, no_op: false } },
          { attention: { n_heads_in_group: null, no_op: true } },
        ],
      },
      [16, 128, 512],
    ],
    [
      'OpenELM',
      {
        model_type: 'openelm',
        num_transformer_layers: 4,
        head_dim: 64,
        num_kv_heads: [3, 3, 4, 5],
        model_dim: 1280,
      },
      [15, 120, 480],
    ],
    [
      'Qwen2.5-Omni',
      { thinker_config: { text_config: { model_type: 'qwen2_5_omni_text', ...shape(28, 28, 4, 128) } } },
      [224, 1792, 7168],
    ],
    ['XLM-RoBERTa', { model_type: 'xlm-roberta', ...shape(24, 16, 16, 64) }, [0, 0, 0]],
    [
      'ModernBERT',
      { model_type: 'modernbert', ...shape(22, 12, 12, 64), global_attn_every_n_layers: 3 },
      [0, 0, 0],
    ],
    [
      'the encoder of T5',
      { model_type: 't5', architectures: ['T5EncoderModel'], num_layers: 24, d_model: 4096, num_heads: 64 },
      [0, 0, 0],
    ],
    [
      'CLIP',
      { model_type: 'clip', text_config: { model_type: 'clip_text_model', ...shape(12, 8, 8, 64) } },
      [0, 0, 0],
    ],
    ['Mamba', { model_type: 'mamba', num_hidden_layers: 48, hidden_size: 2048 }, [0, 0, 0]],
  ])('%s', (_name, config, expected) => {
    expect(mib(readModelConfig(config as Record<string, unknown>).kvGroups)).toEqual(expected);
  });

  test.each<[string, object]>([
    ['T5', { model_type: 't5', num_layers: 24, d_model: 1024, num_heads: 16, is_encoder_decoder: true }],
    ['Whisper', { model_type: 'whisper', num_hidden_layers: 32, d_model: 1280, decoder_attention_heads: 20 }],
    ['no heads', { model_type: 'odd', num_hidden_layers: 3 }],
  ])('%s is unknown', (_name, config) => {
    expect(readModelConfig(config as Record<string, unknown>).kvGroups).toBeUndefined();
  });

  test('vLLM keeps a whole batch beside the window', () => {
    const gemma = {
      text_config: { model_type: 'gemma3_text', ...shape(62, 32, 16, 128), sliding_window: 1024 },
    };
    expect(mib(readModelConfig(gemma).kvGroups, vllmCacheBytes)).toEqual([1984, 6304, 13984]);
    const mistral = { model_type: 'mistral', ...shape(32, 32, 8, 128), sliding_window: 4096 };
    expect(mib(readModelConfig(mistral).kvGroups, vllmCacheBytes)).toEqual([512, 1536, 1536]);
    const llama = { model_type: 'llama', ...shape(32, 32, 8, 128) };
    expect(mib(readModelConfig(llama).kvGroups, vllmCacheBytes)).toEqual([512, 4096, 16384]);
  });

  test('any JSON at all gives bytes that can be counted, or none', () => {
    const lists = fc.constantFrom(
      'layer_types',
      'block_configs',
      'no_rope_layers',
      'num_kv_heads',
      'attn_type_list',
      'block_types',
    );
    fc.assert(
      fc.property(lists, fc.array(fc.jsonValue()), fc.integer(), (name, list, layers) => {
        const parsed = parseRecord(
          JSON.stringify({ ...shape(layers, 4, 2, 8), [name]: list, sliding_window: layers }),
        );
        if (typeof parsed === 'string') return;
        for (const group of readModelConfig(parsed).kvGroups ?? []) {
          expect(Number.isSafeInteger(group.bytesPerToken) && group.bytesPerToken > 0).toBe(true);
        }
      }),
    );
    expect(readModelConfig(shape(1e9, 1e9, 1e9, 1e9)).kvGroups).toBeUndefined();
  });
});

describe('the header of a GGUF file', () => {
  const header = (values: Record<string, unknown>) => (name: string) => values[name];
  const common = (layers: number, heads: number, kv: unknown, key?: number, value?: number) => ({
    block_count: layers,
    'attention.head_count': heads,
    'attention.head_count_kv': kv,
    embedding_length: heads * 128,
    'attention.key_length': key,
    'attention.value_length': value,
  });

  test.each<[string, string, Record<string, unknown>, number[]]>([
    ['llama', 'llama', common(32, 32, 8), [512, 4096, 16384]],
    [
      'an ignored window',
      'llama',
      { ...common(32, 32, 8), 'attention.sliding_window': 4096 },
      [512, 4096, 16384],
    ],
    ['Phi 3', 'phi3', { ...common(32, 32, 8), 'attention.sliding_window': 2047 }, [512, 4096, 16384]],
    ['Mistral Nemo', 'llama', common(40, 32, 8, 128, 128), [640, 5120, 20480]],
    [
      'MLA',
      'deepseek2',
      { ...common(61, 128, 1, 576, 512), 'attention.key_length_mla': 192, 'attention.value_length_mla': 128 },
      [275, 2196, 8784],
    ],
    ['MLA, converted before 2025', 'deepseek2', common(60, 128, 128, 192, 128), [19200, 153600, 614400]],
    [
      'Gemma 3 27B',
      'gemma3',
      { ...common(62, 32, 16, 128, 128), 'attention.sliding_window': 1024 },
      [944, 3184, 10864],
    ],
    [
      'gpt-oss',
      'gpt-oss',
      { ...common(24, 64, 8, 64, 64), 'attention.sliding_window': 128 },
      [114, 786, 3090],
    ],
    ['Llama 4 Scout', 'llama4', common(48, 40, 8, 128, 128), [768, 2760, 7368]],
    [
      'Qwen3-Next',
      'qwen3next',
      { ...common(48, 16, 2, 256, 256), full_attention_interval: 4 },
      [96, 768, 3072],
    ],
    [
      'Qwen3.5 with a head that guesses',
      'qwen35',
      { ...common(65, 24, 4, 256, 256), nextn_predict_layers: 1 },
      [256, 2048, 8192],
    ],
    [
      'layers listed as recurrent',
      'qwen35',
      { ...common(4, 16, 2, 256, 256), 'attention.recurrent_layers': [true, true, true, false] },
      [8, 64, 256],
    ],
    [
      'Gemma 4 31B',
      'gemma4',
      {
        ...common(60, 32, times(60, 16, 16, 16, 16, 16, 4), 512, 512),
        'attention.key_length_swa': 256,
        'attention.value_length_swa': 256,
        'attention.sliding_window': 1024,
        'attention.sliding_window_pattern': times(60, true, true, true, true, true, false),
      },
      [1520, 3760, 11440],
    ],
    [
      'Gemma 3n E4B',
      'gemma3n',
      { ...common(35, 8, 2, 256, 256), 'attention.sliding_window': 512 },
      [64, 288, 1056],
    ],
    [
      'Jamba: zeros where nothing attends',
      'jamba',
      common(32, 32, times(32, 0, 0, 0, 0, 8, 0, 0, 0)),
      [64, 512, 2048],
    ],
    ['Command R7B', 'cohere2', { ...common(32, 32, 8), 'attention.sliding_window': 4096 }, [512, 1456, 4528]],
    ['the encoder of T5', 't5encoder', common(24, 32, 32), [0, 0, 0]],
    ['an embedding model', 'nomic-bert-moe', common(12, 12, 12), [0, 0, 0]],
    ['not causal', 'llama', { ...common(32, 32, 8), 'attention.causal': false }, [0, 0, 0]],
  ])('%s', (_name, architecture, values, expected) => {
    expect(mib(ggufKvGroups(architecture, header(values)))).toEqual(expected);
  });

  test('counts that no model has are none', () => {
    expect(ggufKvGroups('llama', header(common(1e11, 32, 8)))).toBeUndefined();
    expect(
      ggufKvGroups('llama', header({ ...common(32, 32, 1e11), 'attention.key_length': 1e11 })),
    ).toBeUndefined();
    expect(ggufKvGroups('llama', header({ ...common(32, 32, 'many') }))).toBeUndefined();
    expect(ggufKvGroups(undefined, header(common(32, 32, 8)))).toBeUndefined();
  });
});
