import { describe, expect, test } from 'vitest';
import { cardRow, readCard } from '../../../src/branches/card.ts';
import { describeBranch } from '../../../src/branches/describe-branch.ts';
import { quantisationIn } from '../../../src/branches/model-config.ts';
import { readQuantisation } from '../../../src/branches/quantisation.ts';
import type { BranchRow } from '../../../src/model/branch-facts.ts';
import type { RemoteFile } from '../../../src/model/remote-file.ts';

type Json = Record<string, unknown>;
type Tensors = Record<string, [dtype: string, shape: number[]]>;

const WIDTHS: Record<string, number> = {
  U32: 32,
  I32: 32,
  F32: 32,
  BF16: 16,
  F16: 16,
  U8: 8,
  I8: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
};

function safetensors(tensors: Tensors): Buffer {
  let offset = 0;
  const entries = Object.entries(tensors).map(([name, [dtype, shape]]) => {
    const start = offset;
    offset += Math.ceil((shape.reduce((product, one) => product * one, 1) * WIDTHS[dtype]!) / 8);
    return [name, { dtype, shape, data_offsets: [start, offset] }];
  });
  const json = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json]);
}

/** The row of a branch of such files: objects are JSON, numbers sizes of files that are not read. */
async function describeFiles(
  contents: Record<string, Json | string | number | Buffer>,
  wishes: { whole?: boolean; repoName?: string } = {},
): Promise<BranchRow> {
  const texts = new Map<string, Buffer>();
  const files: RemoteFile[] = Object.entries(contents).map(([path, content]) => {
    if (typeof content === 'number') return { path, size: content, digest: undefined };
    const bytes = Buffer.isBuffer(content)
      ? content
      : Buffer.from(typeof content === 'string' ? content : JSON.stringify(content));
    texts.set(path, bytes);
    // Weights follow their header; they are not read.
    return { path, size: Buffer.isBuffer(content) ? 1e12 : bytes.length, digest: undefined };
  });
  const [row] = await describeBranch({
    kind: 'branch',
    revision: 'main',
    commit: 'a'.repeat(40),
    date: undefined,
    files,
    read: async (file, start, end) =>
      Buffer.concat([texts.get(file.path) ?? Buffer.alloc(0), Buffer.alloc(300_000)]).subarray(start, end),
    card: Promise.resolve(readCard(texts.get('README.md')?.toString() ?? '')),
    whole: wishes.whole ?? false,
    ...(wishes.repoName === undefined ? {} : { repoName: wishes.repoName }),
  });
  return row!;
}

const facts = ({ facts: all }: BranchRow) =>
  Object.fromEntries(Object.entries(all).map(([name, { value }]) => [name, value]));
const LLAMA = {
  model_type: 'llama',
  torch_dtype: 'bfloat16',
  hidden_size: 4096,
  num_hidden_layers: 2,
  num_attention_heads: 32,
  num_key_value_heads: 8,
  intermediate_size: 14336,
  vocab_size: 32000,
};
const UP = 'model.layers.0.mlp.up_proj';
const PARAMETERS = 14336 * 4096;

describe('a description of a quantisation', () => {
  test.each<[string, Json, Json]>([
    [
      'GPTQModel since 2',
      { quant_method: 'gptq', bits: 4, meta: { damp_percent: 0.05, act_group_aware: true } },
      { damp: 0.05, actGroupAware: true },
    ],
    [
      'modelopt with groups',
      {
        quant_method: 'modelopt',
        quant_algo: 'NVFP4',
        config_groups: { group_0: { weights: { num_bits: 4, group_size: 16, type: 'float' } } },
      },
      { method: 'modelopt', bits: 4, groupSize: 16, packing: 'NVFP4' },
    ],
    [
      'modelopt with a name only',
      { quant_method: 'modelopt', quant_algo: 'FP8', kv_cache_quant_algo: 'FP8' },
      { bits: 8, packing: 'FP8', kvCacheBits: 8 },
    ],
    [
      'modelopt, W4A8',
      { quant_method: 'modelopt_fp4', quant_algo: 'W4A8_AWQ', group_size: 128 },
      { method: 'modelopt', bits: 4, groupSize: 128 },
    ],
    [
      'modelopt, mixed',
      {
        quant_method: 'modelopt',
        quant_algo: 'MIXED_PRECISION',
        quantized_layers: { a: { quant_algo: 'FP8' }, b: { quant_algo: 'NVFP4', group_size: 16 } },
      },
      { bits: 4, mixedBits: [4, 8], groupSize: 16 },
    ],
    [
      'hqq',
      { quant_method: 'hqq', quant_config: { weight_quant_params: { nbits: 4, group_size: 64 } } },
      { bits: 4, groupSize: 64 },
    ],
    [
      'hqq by modules',
      {
        quant_method: 'hqq',
        quant_config: {
          'self_attn.q_proj': { weight_quant_params: { nbits: 4, group_size: 64 } },
          'mlp.up_proj': { weight_quant_params: { nbits: 3, group_size: 32 } },
        },
      },
      { bits: 3, mixedBits: [3, 4] },
    ],
    [
      'aqlm',
      { quant_method: 'aqlm', in_group_size: 8, out_group_size: 1, nbits_per_codebook: 16, num_codebooks: 1 },
      { bits: 2, packing: '1x16' },
    ],
    [
      'aqlm, 2x8',
      { quant_method: 'aqlm', in_group_size: 8, out_group_size: 1, nbits_per_codebook: 8, num_codebooks: 2 },
      { bits: 2, packing: '2x8' },
    ],
    ['eetq', { quant_method: 'eetq', weights: 'int8' }, { bits: 8 }],
    ['quanto, int4', { quant_method: 'quanto', weights: 'int4' }, { bits: 4, packing: 'int4' }],
    ['quanto, int2', { quant_method: 'quanto', weights: 'int2' }, { bits: 2 }],
    ['quanto, float8', { quant_method: 'quanto', weights: 'float8' }, { bits: 8 }],
    ['fbgemm', { quant_method: 'fbgemm_fp8' }, { bits: 8, packing: 'e4m3' }],
    [
      'torchao, an object',
      {
        quant_method: 'torchao',
        quant_type: { default: { _type: 'Int4WeightOnlyConfig', _version: 1, _data: { group_size: 128 } } },
      },
      { bits: 4, groupSize: 128, packing: 'Int4WeightOnlyConfig' },
    ],
    [
      'torchao, a recipe',
      { quant_method: 'torchao', quant_type: 'int4_weight_only', quant_type_kwargs: { group_size: 64 } },
      { bits: 4, groupSize: 64 },
    ],
    [
      'torchao, activations have other bits',
      {
        quant_method: 'torchao',
        quant_type: {
          default: { _type: 'Int8DynamicActivationInt4WeightConfig', _data: { group_size: 32 } },
        },
      },
      { bits: 4, groupSize: 32 },
    ],
    [
      'torchao, float8',
      {
        quant_method: 'torchao',
        quant_type: { default: { _type: 'Float8DynamicActivationFloat8WeightConfig', _data: {} } },
      },
      { bits: 8 },
    ],
    [
      'torchao by modules',
      {
        quant_method: 'torchao',
        quant_type: {
          default: {
            _type: 'ModuleFqnToConfig',
            _data: {
              module_fqn_to_config: {
                _default: { _type: 'Int4WeightOnlyConfig', _data: { group_size: 128 } },
                lm_head: { _type: 'Int8WeightOnlyConfig', _data: {} },
              },
            },
          },
        },
      },
      { bits: 4, mixedBits: [4, 8], groupSize: 128 },
    ],
    [
      'quark',
      {
        quant_method: 'quark',
        version: '0.9',
        global_quant_config: { weight: { dtype: 'fp4', group_size: 32, symmetric: null } },
      },
      { bits: 4, groupSize: 32, packing: 'fp4' },
    ],
    [
      'quark in two stages',
      {
        quant_method: 'quark',
        global_quant_config: {
          weight: [{ dtype: 'fp8_e4m3' }, { dtype: 'int4', group_size: 128, symmetric: true }],
        },
      },
      { bits: 4, groupSize: 128, symmetric: true },
    ],
    ['bitnet', { quant_method: 'bitnet', linear_class: 'autobitlinear' }, { bits: 1.58 }],
    [
      'vptq',
      {
        quant_method: 'vptq',
        config_for_layers: {
          'model.layers.0.q': {
            vector_lens: [-1, 8],
            num_centroids: [-1, 65536],
            num_res_centroids: [-1, 256],
          },
        },
      },
      { bits: 3 },
    ],
    ['fp_quant', { quant_method: 'fp_quant', forward_dtype: 'nvfp4' }, { bits: 4, groupSize: 16 }],
    ['spqr', { quant_method: 'spqr', bits: 3, beta1: 16, beta2: 16 }, { bits: 3, groupSize: 16 }],
    [
      'auto-round',
      {
        quant_method: 'auto-round',
        bits: 4,
        group_size: 128,
        seqlen: 2048,
        packing_format: 'auto_round:auto_gptq',
        extra_config: { 'model.layers.0.mlp': { bits: 8 }, lm_head: { bits: 16 } },
      },
      {
        method: 'auto-round',
        bits: 4,
        mixedBits: [4, 8],
        sequenceLength: 2048,
        packing: 'auto_round:auto_gptq',
      },
    ],
    ['auto-round of Intel', { quant_method: 'intel/auto-round', bits: 4 }, { method: 'auto-round' }],
    [
      'fp8 in blocks',
      {
        quant_method: 'compressed-tensors',
        config_groups: { group_0: { weights: { num_bits: 8, type: 'float', block_structure: [128, 128] } } },
      },
      { bits: 8, groupSize: 128 },
    ],
    [
      'a cache of 8 bits',
      {
        quant_method: 'compressed-tensors',
        config_groups: { g: { weights: { num_bits: 4 } } },
        kv_cache_scheme: { num_bits: 8, type: 'float' },
      },
      { kvCacheBits: 8 },
    ],
    [
      'EXL3',
      { quant_method: 'exl3', version: '0.0.4', bits: 3.5, codebook: 'mcg' },
      { packing: '0.0.4, mcg' },
    ],
  ])('%s', (_name, config, expected) => {
    expect(readQuantisation(config)).toMatchObject(expected);
  });

  test.each<[string, Json, Json | undefined]>([
    [
      'MLX writes it twice',
      { quantization: { group_size: 64, bits: 4 }, quantization_config: { group_size: 64, bits: 4 } },
      { method: 'mlx', bits: 4, groupSize: 64 },
    ],
    [
      'MLX with modules and a mode',
      {
        quantization: {
          bits: 4,
          group_size: 32,
          mode: 'mxfp4',
          lm_head: false,
          'model.layers.0.mlp.gate': { bits: 8, group_size: 64 },
        },
      },
      { method: 'mlx', bits: 4, mixedBits: [4, 8], packing: 'mxfp4' },
    ],
    [
      'TensorRT-LLM',
      { quantization: { quant_algo: 'FP8', kv_cache_quant_algo: null, group_size: 128 } },
      { method: 'tensorrt-llm', bits: 8, groupSize: undefined },
    ],
    ['TensorRT-LLM, none', { quantization: { quant_algo: null, group_size: 128 } }, undefined],
    [
      'the language part',
      { llm_config: { quantization_config: { quant_method: 'awq', bits: 4 } } },
      { method: 'awq', bits: 4 },
    ],
    [
      'the thinker',
      { thinker_config: { text_config: { quantization_config: { quant_method: 'gptq', bits: 8 } } } },
      { method: 'gptq', bits: 8 },
    ],
    [
      'bnb of 8 bits has no dtype',
      {
        quantization_config: {
          quant_method: 'bitsandbytes',
          load_in_8bit: true,
          bnb_4bit_compute_dtype: 'float32',
        },
      },
      { bits: 8, dtype: undefined },
    ],
  ])('%s', (_name, config, expected) => {
    const found = quantisationIn(config);
    if (expected === undefined) expect(found).toBeUndefined();
    else
      for (const [name, value] of Object.entries(expected))
        expect(found?.[name as 'bits'], name).toEqual(value);
  });
});

describe('parameters of packed tensors', () => {
  test.each<[string, Json, Tensors, number | undefined]>([
    [
      'MLX',
      { quantization: { bits: 4, group_size: 64 } },
      {
        [`${UP}.weight`]: ['U32', [14336, 512]],
        [`${UP}.scales`]: ['BF16', [14336, 64]],
        [`${UP}.biases`]: ['BF16', [14336, 64]],
      },
      PARAMETERS,
    ],
    [
      'MLX of two widths',
      { quantization: { bits: 4, group_size: 64, [UP]: { bits: 8, group_size: 64 } } },
      { [`${UP}.weight`]: ['U32', [14336, 1024]], [`${UP}.scales`]: ['BF16', [14336, 64]] },
      PARAMETERS,
    ],
    [
      'NVFP4',
      { quantization_config: { quant_method: 'modelopt', quant_algo: 'NVFP4' } },
      {
        [`${UP}.weight`]: ['U8', [14336, 2048]],
        [`${UP}.weight_scale`]: ['F8_E4M3', [14336, 256]],
        [`${UP}.weight_scale_2`]: ['F32', []],
        [`${UP}.input_scale`]: ['F32', []],
      },
      PARAMETERS,
    ],
    [
      'NVFP4 beside FP8',
      {
        quantization_config: {
          quant_method: 'modelopt',
          quant_algo: 'MIXED_PRECISION',
          quantized_layers: { a: { quant_algo: 'FP8' }, b: { quant_algo: 'NVFP4' } },
        },
      },
      {
        [`${UP}.weight`]: ['U8', [14336, 2048]],
        [`${UP}.weight_scale`]: ['F8_E4M3', [14336, 256]],
        'down.weight': ['F8_E4M3', [4096, 14336]],
        'down.weight_scale': ['F32', []],
      },
      2 * PARAMETERS,
    ],
    [
      'gpt-oss',
      { quantization_config: { quant_method: 'mxfp4' } },
      {
        'experts.up_proj_blocks': ['U8', [32, 180, 90, 16]],
        'experts.up_proj_scales': ['U8', [32, 180, 90]],
      },
      32 * 180 * 90 * 32,
    ],
    [
      'AWQ beside the positions of a picture encoder',
      { quantization_config: { quant_method: 'awq', bits: 4, group_size: 128 } },
      {
        [`${UP}.qweight`]: ['I32', [4096, 1792]],
        [`${UP}.qzeros`]: ['I32', [32, 1792]],
        'vision.position_ids': ['I32', [1, 500]],
      },
      PARAMETERS + 500,
    ],
    [
      'hqq',
      { quantization_config: { quant_method: 'hqq' } },
      { [`${UP}.W_q`]: ['U8', [7168, 4096]] },
      undefined,
    ],
    [
      'vptq',
      { quantization_config: { quant_method: 'vptq' } },
      { [`${UP}.indices`]: ['I32', [100, 100]] },
      undefined,
    ],
    [
      'an unknown quantiser',
      { quantization_config: { quant_method: 'tomorrow' } },
      { [`${UP}.packed`]: ['U8', [100, 100]] },
      undefined,
    ],
  ])('%s', async (_name, config, tensors, expected) => {
    const row = await describeFiles({
      'config.json': { model_type: 'odd', ...config },
      'model.safetensors': safetensors(tensors),
    });
    expect(facts(row)['parameters']).toBe(expected);
  });

  test('where tensors do not tell, the shape of the model does', async () => {
    const row = await describeFiles({
      'config.json': {
        ...LLAMA,
        quantization_config: {
          quant_method: 'aqlm',
          in_group_size: 8,
          out_group_size: 1,
          nbits_per_codebook: 16,
          num_codebooks: 1,
        },
      },
      'model.safetensors': safetensors({
        [`${UP}.codes`]: ['I8', [100, 100]],
        [`${UP}.codebooks`]: ['F16', [100, 8]],
      }),
    });
    expect(row.facts.parameters).toEqual({ value: 698_372_096, origin: 'computed' });
  });
});

describe('files of a branch', () => {
  test('hf_quant_config.json alone says that a model is quantised', async () => {
    const row = await describeFiles({
      'config.json': LLAMA,
      'hf_quant_config.json': {
        producer: { name: 'modelopt' },
        quantization: { quant_algo: 'NVFP4', kv_cache_quant_algo: 'FP8', group_size: 16 },
      },
      'model.safetensors': safetensors({
        [`${UP}.weight`]: ['U8', [14336, 2048]],
        [`${UP}.weight_scale`]: ['F8_E4M3', [14336, 256]],
      }),
    });
    expect(row.facts.method).toEqual({ value: 'modelopt', origin: 'hf_quant_config.json' });
    expect(facts(row)).toMatchObject({ bits: 4, groupSize: 16, kvCacheBits: 8, parameters: PARAMETERS });
  });

  test('the index of another model does not count', async () => {
    const row = await describeFiles({
      'config.json': { ...LLAMA, quantization_config: { quant_method: 'exl2', bits: 4.25, head_bits: 6 } },
      'model.safetensors.index.json': { metadata: { total_size: 29_540_067_328 }, weight_map: {} },
      ...Object.fromEntries(
        Array.from({ length: 9 }, (_, index) => [`output-0000${index + 1}-of-00009.safetensors`, 45_000_000]),
      ),
    });
    expect(row.facts.tensorBytes).toEqual({ value: 405_000_000, origin: 'tree' });
    expect(facts(row)['bitsPerWeight']).toBeCloseTo((8 * 405_000_000) / 698_372_096, 2);
  });

  test('settings of ONNX files are no broken description of GPTQ', async () => {
    for (const settings of [
      { per_channel: true, per_model_config: {} },
      { modes: ['q8', 'fp16'], per_channel: false },
    ])
      expect(
        (
          await describeFiles({
            'config.json': { model_type: 'bert' },
            'quantize_config.json': settings,
            'onnx/model.onnx': 5,
          })
        ).problems,
      ).toEqual([]);
    expect(
      (await describeFiles({ 'quantize_config.json': { odd: 1 }, 'onnx/model.onnx': 5 })).problems,
    ).toEqual(['quantize_config.json: describes no quantisation']);
  });

  test('an adapter is not a model', async () => {
    const row = await describeFiles({
      'adapter_config.json': { base_model_name_or_path: 'meta-llama/Llama-3.1-8B', r: 16, peft_type: 'LORA' },
      'adapter_model.safetensors': safetensors({ 'q_proj.lora_A.weight': ['F32', [16, 4096]] }),
    });
    expect(facts(row)).toMatchObject({
      method: 'lora',
      baseModel: 'meta-llama/Llama-3.1-8B',
      adapterRank: 16,
      parameters: 65_536,
    });
  });

  test('chat_template.json, where there is no newer file', async () => {
    const files = { 'config.json': LLAMA, 'chat_template.json': { chat_template: '{{ old }}' } };
    expect((await describeFiles(files, { whole: true })).facts.chatTemplate).toEqual({
      value: '{{ old }}',
      origin: 'chat_template.json',
    });
    const both = { ...files, 'chat_template.jinja': '{{ new }}' };
    expect(facts(await describeFiles(both, { whole: true }))['chatTemplate']).toBe('{{ new }}');
  });

  test('EXL2 of 2023: the bits are in the name of the repository', async () => {
    const files = {
      'config.json': LLAMA,
      'output.safetensors': safetensors({ 'x.q_weight': ['I32', [100, 100]] }),
    };
    const row = await describeFiles(files, { repoName: 'Nous-Hermes-4.0bpw-h6-exl2' });
    expect(facts(row)).toMatchObject({ method: 'exl2', bits: 4, headBits: 6 });
    expect(row.facts.bits?.origin).toBe('name');
    const plain = {
      'config.json': LLAMA,
      'model.safetensors': safetensors({ 'x.weight': ['BF16', [100, 100]] }),
    };
    expect(facts(await describeFiles(plain, { repoName: 'Model-4bit' }))).toMatchObject({
      method: 'none',
      bits: 16,
    });
  });
});

describe('cards', () => {
  const front = (lines: string) => readCard(`---\n${lines}\n---\n# x\n`).about;

  test('the base model is a text or a list', () => {
    expect(front('license: mit\nbase_model:\n- meta-llama/Llama-3.1-8B')).toEqual({
      license: 'mit',
      baseModel: 'meta-llama/Llama-3.1-8B',
    });
    expect(front('base_model:\n  - "a/b"\n  - c/d\ntags:\n- x').baseModel).toBe('a/b, c/d');
    expect(front('base_model: [a/b]').baseModel).toBe('a/b');
    expect(front("base_model: 'a/b'").baseModel).toBe('a/b');
    expect(front('base_model:\ntags:\n- x').baseModel).toBeUndefined();
  });

  test("bartowski's rows are found though the files have the owner in front", () => {
    const card = readCard(
      '| Filename | Quant type | File Size | Split | Description |\n| --- | --- | --- | --- | --- |\n| [AceReason-7B-Q4_K_M.gguf](https://x) | Q4_K_M | 4.68GB | false | Good quality. |\n',
    );
    expect(cardRow(card, 'nvidia_AceReason-7B-Q4_K_M.gguf', 'Q4_K_M')).toEqual({
      description: 'Good quality.',
    });
    expect(cardRow(card, 'AceReason-7B-Q4_K_M.gguf', 'Q4_K_M')).toEqual({ description: 'Good quality.' });
    expect(cardRow(card, 'AceReason-7B-Q8_0.gguf', 'Q8_0')).toBeUndefined();
  });

  test("mradermacher's by their type", () => {
    const card = readCard(
      '| Link | Type | Size/GB | Notes |\n|:-----|:-----|--------:|:------|\n| [GGUF](https://x) | i1-Q4_K_M | 4.7 | fast, recommended |\n| [PART 1](https://x) [PART 2](https://y) | Q8_0 | 75.0 | best quality |\n',
    );
    expect(cardRow(card, 'M.i1-Q4_K_M.gguf', 'Q4_K_M')).toEqual({ description: 'fast, recommended' });
    expect(cardRow(card, 'M.Q8_0.gguf', 'Q8_0')).toEqual({ description: 'best quality' });
  });
});
