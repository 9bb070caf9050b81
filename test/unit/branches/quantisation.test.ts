import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseRecord } from '../../../src/branches/json.ts';
import { quantisationIn, readModelConfig } from '../../../src/branches/model-config.ts';
import { readQuantisation } from '../../../src/branches/quantisation.ts';

describe('a description of a quantisation', () => {
  test.each([
    [
      'GPTQ',
      { bits: 8, group_size: 32, damp_percent: 0.1, desc_act: true, static_groups: false, sym: true },
      { method: 'gptq', bits: 8, groupSize: 32, damp: 0.1, actOrder: true, symmetric: true },
    ],
    ['GPTQ, one group', { bits: 4, group_size: -1, desc_act: false }, { groupSize: 'none', actOrder: false }],
    [
      'GPTQModel, mixed',
      {
        quant_method: 'gptq',
        bits: 4,
        group_size: 128,
        checkpoint_format: 'gptq_v2',
        dynamic: { '+:.*down.*': { bits: 8 }, '-:.*lm_head.*': {}, '.*up.*': { bits: 3 } },
      },
      { method: 'gptq', bits: 4, mixedBits: [3, 4, 8], packing: 'gptq_v2' },
    ],
    [
      'AWQ',
      { quant_method: 'awq', bits: 4, group_size: 128, zero_point: true, version: 'gemm' },
      { method: 'awq', bits: 4, groupSize: 128, symmetric: false, packing: 'gemm' },
    ],
    [
      'AWQ of old',
      { zero_point: true, q_group_size: 64, w_bit: 4, version: 'GEMV' },
      { method: 'awq', bits: 4, groupSize: 64, packing: 'GEMV' },
    ],
    [
      'EXL2',
      {
        quant_method: 'exl2',
        version: '0.0.13',
        bits: 4.65,
        head_bits: 6,
        calibration: { rows: 100, length: 2048, dataset: '(default)' },
      },
      { method: 'exl2', bits: 4.65, headBits: 6, sequenceLength: 2048, dataset: '(default)' },
    ],
    [
      'EXL3',
      {
        quant_method: 'exl3',
        version: '0.0.1',
        bits: 3.5,
        head_bits: 8,
        calibration: { rows: 100, cols: 2048 },
      },
      { method: 'exl3', bits: 3.5, headBits: 8, sequenceLength: 2048 },
    ],
    [
      'bitsandbytes, 4 bits',
      {
        quant_method: 'bitsandbytes',
        load_in_4bit: true,
        bnb_4bit_quant_type: 'nf4',
        bnb_4bit_use_double_quant: true,
        bnb_4bit_compute_dtype: 'bfloat16',
      },
      { method: 'bitsandbytes', bits: 4, packing: 'nf4, double', dtype: 'bfloat16' },
    ],
    ['bitsandbytes, 8 bits', { load_in_8bit: true }, { method: 'bitsandbytes', bits: 8 }],
    [
      'fp8',
      { quant_method: 'fp8', fmt: 'e4m3', activation_scheme: 'dynamic', weight_block_size: [128, 128] },
      { method: 'fp8', bits: 8, groupSize: 128, packing: 'e4m3, dynamic' },
    ],
    [
      'compressed-tensors',
      {
        quant_method: 'compressed-tensors',
        format: 'pack-quantized',
        config_groups: {
          group_0: {
            weights: { num_bits: 4, group_size: 128, symmetric: true, actorder: 'weight', type: 'int' },
          },
          group_1: { weights: { num_bits: 8, group_size: null } },
        },
      },
      { method: 'compressed-tensors', bits: 4, mixedBits: [4, 8], groupSize: 128, actOrder: true },
    ],
    ['mxfp4', { quant_method: 'mxfp4' }, { method: 'mxfp4', bits: 4, groupSize: 32 }],
  ])('%s', (_name, config, expected) => {
    expect(readQuantisation(config)).toMatchObject(expected);
  });

  test('MLX has a block of its own, multimodal models hide theirs', () => {
    expect(quantisationIn({ quantization: { group_size: 64, bits: 4 } })).toMatchObject({
      method: 'mlx',
      bits: 4,
      groupSize: 64,
    });
    const inner = { quantization_config: { quant_method: 'awq', bits: 4 } };
    expect(quantisationIn({ text_config: inner })).toMatchObject({ method: 'awq', bits: 4 });
    expect(quantisationIn({ hidden_size: 1 })).toBeUndefined();
  });

  test('any JSON at all gives facts of the right types', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        const parsed = parseRecord(text);
        if (typeof parsed === 'string') return;
        for (const facts of [readQuantisation(parsed), readModelConfig(parsed)]) {
          for (const value of [facts.bits, facts.damp, facts.layers, facts.kvBytesPerToken]) {
            expect(value === undefined || Number.isFinite(value)).toBe(true);
          }
        }
      }),
    );
  });
});

describe('the shape of a model', () => {
  test('Mistral 7B: 128 KiB of cache per token', () => {
    const config = {
      model_type: 'mistral',
      hidden_size: 4096,
      num_attention_heads: 32,
      num_hidden_layers: 32,
      num_key_value_heads: 8,
      max_position_embeddings: 32768,
      torch_dtype: 'bfloat16',
    };
    expect(readModelConfig(config)).toEqual({
      architecture: 'mistral',
      layers: 32,
      heads: 32,
      kvHeads: 8,
      headSize: 128,
      context: 32768,
      dtype: 'bfloat16',
      kvGroups: [{ layers: 32, bytesPerToken: 4096 }],
      kvBytesPerToken: 128 * 1024,
    });
  });

  test('the text part of a multimodal model, old names, latent attention', () => {
    expect(
      readModelConfig({ text_config: { num_hidden_layers: 4, num_attention_heads: 8, head_dim: 64 } }),
    ).toMatchObject({ layers: 4, kvHeads: 8, kvBytesPerToken: 2 * 4 * 8 * 64 * 2 });
    expect(readModelConfig({ n_layer: 12, n_head: 12, n_embd: 768, n_positions: 1024 })).toMatchObject({
      layers: 12,
      headSize: 64,
      context: 1024,
    });
    const deepseek = {
      num_hidden_layers: 61,
      num_attention_heads: 128,
      hidden_size: 7168,
      kv_lora_rank: 512,
      qk_rope_head_dim: 64,
    };
    expect(readModelConfig(deepseek).kvBytesPerToken).toBe(61 * 576 * 2);
  });
});
