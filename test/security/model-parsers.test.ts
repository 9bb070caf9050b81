import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readCard } from '../../src/branches/card.ts';
import { countParameters } from '../../src/branches/count-parameters.ts';
import type { PlainFacts } from '../../src/branches/fact-list.ts';
import { MAX_GGUF_BYTES, readGgufHeader } from '../../src/branches/gguf-header.ts';
import { parseRecord } from '../../src/branches/json.ts';
import {
  impliedParameters,
  invalidConfigFields,
  quantisationIn,
  readIndex,
  readModelConfig,
  readTokenizerConfig,
} from '../../src/branches/model-config.ts';
import { describesQuantisation, readQuantisation } from '../../src/branches/quantisation.ts';
import { METHODS } from '../../src/branches/quantisation-methods.ts';
import { plainWeights, readTensors } from '../../src/branches/read-weights.ts';
import { readHeader } from '../../src/branches/safetensors-header.ts';
import { ggufHeader } from '../support/hub/fixtures/gguf.ts';
import { cpuMs } from '../support/machine.ts';

/** What a stranger has uploaded, and people look at in a table: parsed without a crash, a hang, or growth. */

const MAX_MS = 3000;

/** Facts that can be shown: numbers that are exact or fractions in their bounds, texts and lists that end. */
function expectSober(facts: PlainFacts): void {
  for (const [name, value] of Object.entries(facts)) {
    if (value === undefined) continue;
    const parts = Array.isArray(value) ? (value as unknown[]) : [value];
    expect(parts.length, name).toBeLessThanOrEqual(100);
    for (const part of parts) {
      if (typeof part === 'string') expect(part.length, name).toBeLessThanOrEqual(20_000);
      else if (typeof part === 'number') {
        expect(part, name).toBeGreaterThanOrEqual(0);
        expect(part, name).toBeLessThanOrEqual(Number.MAX_SAFE_INTEGER);
      } else if (name === 'kvGroups') expectSober(part as PlainFacts);
      else expect(typeof part, name).toBe('boolean');
    }
  }
}

const oddNumber = fc.oneof(
  fc.constantFrom(0, -1, 1, 4, 32, 0.5, 1e9, 1e12, 2 ** 53 - 1, 2 ** 53, 1e300, -0),
  fc.double(),
  fc.integer(),
);
const oddValue = fc.oneof(oddNumber, fc.string(), fc.boolean(), fc.constant(null), fc.jsonValue());

/** Objects with the names that the parsers look for, and with anything in them. */
function recordOf(names: readonly string[], depth = 2): fc.Arbitrary<Record<string, unknown>> {
  const inner = depth === 0 ? oddValue : fc.oneof(oddValue, recordOf(names, depth - 1), fc.array(oddValue));
  return fc.dictionary(fc.oneof(fc.constantFrom(...names), fc.string()), inner, { maxKeys: 12 });
}

const CONFIG_NAMES = [
  ...['model_type', 'torch_dtype', 'num_hidden_layers', 'num_attention_heads', 'num_key_value_heads'],
  ...['hidden_size', 'head_dim', 'max_position_embeddings', 'kv_lora_rank', 'qk_rope_head_dim', 'vocab_size'],
  ...['intermediate_size', 'text_config', 'quantization_config', 'compression_config', 'quantization'],
  ...['eos_token', 'chat_template', 'metadata', 'total_size', 'name', 'template', 'content', '__proto__'],
  ...['quant_method', 'bits', 'w_bit', 'group_size', 'q_group_size', 'desc_act', 'damp_percent', 'sym'],
  ...['load_in_4bit', 'load_in_8bit', 'config_groups', 'weights', 'num_bits', 'actorder', 'dynamic'],
  ...[
    'layer_types',
    'sliding_window',
    'sliding_window_pattern',
    'block_configs',
    'attention',
    'num_kv_heads',
  ],
  ...[
    'no_rope_layers',
    'attention_chunk_size',
    'full_attention_interval',
    'attn_layer_period',
    'global_head_dim',
  ],
  ...[
    'hybrid_override_pattern',
    'linear_attn_config',
    'full_attn_layers',
    'num_kv_shared_layers',
    'block_types',
  ],
  ...[
    'quant_algo',
    'quantized_layers',
    'kv_cache_quant_algo',
    'kv_cache_scheme',
    'quant_config',
    'quant_type',
  ],
  ...[
    'weight_quant_params',
    'nbits',
    '_type',
    '_data',
    'global_quant_config',
    'weight',
    'dtype',
    'block_structure',
  ],
  ...[
    'num_codebooks',
    'nbits_per_codebook',
    'in_group_size',
    'out_group_size',
    'config_for_layers',
    'vector_lens',
  ],
  ...[
    'num_centroids',
    'num_res_centroids',
    'extra_config',
    'forward_dtype',
    'meta',
    'beta1',
    'mode',
    'codebook',
  ],
  ...['calibration', 'dataset', 'length', 'weight_block_size', 'fmt', 'version', 'head_bits', 'constructor'],
];

describe('JSON of a model', () => {
  test('config.json, the tokenizer and the index: facts in their bounds, whatever stands there', () => {
    const shape = fc.record(Object.fromEntries(CONFIG_NAMES.map((name) => [name, oddNumber])), {
      requiredKeys: [],
    });
    const family = fc.constantFrom('llama', 'mistral', 'deepseek_v3', '');
    fc.assert(
      fc.property(fc.oneof(recordOf(CONFIG_NAMES), shape), family, (config, model_type) => {
        const named = { ...config, model_type };
        expectSober(readModelConfig(named));
        expectSober(quantisationIn(config) ?? {});
        expectSober(readTokenizerConfig(config));
        expectSober(readIndex(config));
        expectSober({ parameters: impliedParameters(named) });
        expect(invalidConfigFields(config).length).toBeLessThan(10);
      }),
      { numRuns: 2000 },
    );
  });

  test('a description of a quantisation, of every method', () => {
    fc.assert(
      fc.property(
        recordOf(CONFIG_NAMES),
        fc.constantFrom(...METHODS.keys(), 'toString'),
        (config, quant_method) => {
          expectSober(readQuantisation({ ...config, quant_method }));
          expectSober(readQuantisation(config, quant_method));
          expect(typeof describesQuantisation(config)).toBe('boolean');
        },
      ),
      { numRuns: 2000 },
    );
  });

  test('a width of its own for each of very many modules', () => {
    const widths = Array.from({ length: 50_000 }, (_, index) => [`m.${index}`, { bits: 1 + index / 1000 }]);
    expectSober(readQuantisation({ quant_method: 'gptq', bits: 4, dynamic: Object.fromEntries(widths) }));
  });

  test('any text is an object or a sentence', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json()), (text) => {
        const found = parseRecord(text);
        if (typeof found === 'string') expect(found.length).toBeLessThan(100);
        else expect(found).toBeTypeOf('object');
      }),
    );
  });

  test.each(['[', '{"a":', '"\\u0000', '1e'])('a text of nothing but %j ends in a sentence, soon', (unit) => {
    const began = cpuMs();
    expect(parseRecord(unit.repeat(4_000_000 / unit.length))).toBe('broken JSON');
    expect(cpuMs() - began).toBeLessThan(MAX_MS);
  });
});

describe('the header of a safetensors file', () => {
  const sizes = fc.array(fc.oneof(fc.nat(1000), oddNumber), { maxLength: 17 });
  const tensor = fc.oneof(
    fc.record({
      dtype: fc.constantFrom('F16', 'I32', 'U8', 'F4', 'X9', '__proto__'),
      shape: sizes,
      data_offsets: fc.tuple(oddNumber, oddNumber),
    }),
    // One that is right as far as a header can be, of any size.
    fc
      .integer({ min: 0, max: 2 ** 32 })
      .map((half) => ({ dtype: 'U8', shape: [half, 2 ** 20], data_offsets: [0, half * 2 ** 20] })),
    fc.jsonValue(),
  );
  const name = fc.oneof(fc.constantFrom('a.qweight', 'a.scales', 'a.q_weight', '__metadata__'), fc.string());
  const header = fc.dictionary(name, tensor, { maxKeys: 6 });

  test('tensors of exact numbers, or a sentence', () => {
    fc.assert(
      fc.property(
        header,
        fc.constantFrom(undefined, 0.1, 4, 64),
        fc.constantFrom(...METHODS.keys(), 'toString'),
        (one, bits, by) => {
          const tensors = readHeader(new TextEncoder().encode(JSON.stringify(one)));
          if (typeof tensors === 'string') {
            expect(tensors.length).toBeLessThan(200);
            return;
          }
          expectSober(countParameters(tensors, { method: by ?? 'none', bits, groupSize: 32 }));
          expectSober(plainWeights(tensors));
        },
      ),
      { numRuns: 2000 },
    );
  });

  test('a file is read at most twice, and never beyond its end', async () => {
    const content = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc
        .tuple(header, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.boolean())
        .map(([one, length, honest]) => {
          const json = Buffer.from(JSON.stringify(one));
          const start = Buffer.alloc(8);
          start.writeBigUInt64LE(honest ? BigInt(json.length) : length);
          return Buffer.concat([start, json]);
        }),
    );
    await fc.assert(
      fc.asyncProperty(content, async (bytes) => {
        const file = { path: 'm.safetensors', size: bytes.length, digest: undefined };
        let reads = 0;
        const found = await readTensors([file], async (_file, start, end) => {
          reads += 1;
          expect(start).toBeLessThanOrEqual(end);
          expect(end).toBeLessThanOrEqual(bytes.length);
          return bytes.subarray(start, end);
        });
        expect(reads).toBeLessThanOrEqual(2);
        if (typeof found === 'string') expect(found).toMatch(/^m\.safetensors: /);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('the header of a GGUF file', () => {
  const sound = ggufHeader(
    {
      'general.architecture': 'llama',
      'general.file_type': 15,
      'llama.block_count': 32,
      'llama.attention.head_count': 32,
      'llama.embedding_length': 4096,
      'tokenizer.ggml.tokens': ['<s>', '</s>', 'x'],
      'tokenizer.ggml.eos_token_id': 1,
    },
    Array.from({ length: 4 }, (_, index) => [`blk.${index}.weight`, 12, [4096, 4096]] as const),
  );

  /** What comes of it: facts in their bounds, or an Error with a short sentence; with few reads, and soon. */
  async function expectOutcome(bytes: Uint8Array, size = bytes.length): Promise<void> {
    let reads = 0;
    const began = cpuMs();
    const facts = await readGgufHeader(size, async (start, end) => {
      reads += 1;
      expect(end).toBeLessThanOrEqual(Math.min(size, MAX_GGUF_BYTES));
      const part = new Uint8Array(end - start);
      part.set(bytes.subarray(start, end));
      return part;
    }).catch((error: unknown) => {
      expect(error).toBeInstanceOf(Error);
      expect((error as Error).message).not.toBe('');
      return {};
    });
    expect(reads).toBeLessThanOrEqual(20);
    expect(cpuMs() - began).toBeLessThan(MAX_MS);
    expectSober(facts);
  }

  test('any bytes', async () => {
    await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), (bytes) => expectOutcome(bytes)));
  });

  test('a sound header with bytes of it changed, cut off anywhere', async () => {
    const change = fc.tuple(fc.nat(sound.length - 1), fc.constantFrom(0, 1, 8, 9, 10, 127, 255));
    await fc.assert(
      fc.asyncProperty(
        fc.array(change, { minLength: 1, maxLength: 8 }),
        fc.nat(sound.length),
        async (changes, cut) => {
          const bytes = Buffer.from(sound);
          for (const [at, value] of changes) bytes[at] = value;
          await expectOutcome(bytes);
          await expectOutcome(bytes.subarray(0, cut));
        },
      ),
      { numRuns: 300 },
    );
  });

  test('numbers that multiply to more than a number can hold', async () => {
    const huge = 4_000_000_000;
    const shape = { 'x.block_count': huge, 'x.attention.head_count': huge, 'x.attention.key_length': huge };
    const header = ggufHeader({ 'general.architecture': 'x', ...shape }, [['t', 0, [4, 4]]]);
    const facts = await readGgufHeader(header.length, async (start, end) => header.subarray(start, end));
    expect(facts).toMatchObject({ layers: huge, kvHeads: huge, headSize: huge, kvBytesPerToken: undefined });
    await expectOutcome(header);
  });

  test('as many entries as were never written, in a file that is large enough for them', async () => {
    for (const offset of [8, 16]) {
      const bytes = Buffer.from(sound);
      bytes.writeBigUInt64LE(2n ** 62n, offset);
      await expectOutcome(bytes, 5e9);
    }
  });
});

describe('a card', () => {
  const cell = fc.oneof(
    fc.string({ maxLength: 30 }),
    fc.constantFrom('4', '1e999', '9'.repeat(40), 'None', 'Yes'),
  );
  const line = fc.oneof(
    fc.array(cell, { maxLength: 8 }).map((cells) => `| ${cells.join(' | ')} |`),
    fc.constantFrom(
      '| Branch | Bits | GS | Seq Len | Damp % |',
      '| - | - | - | - | - |',
      '---',
      'license: x',
    ),
    fc.string(),
  );

  test('any lines: rows with facts in their bounds', () => {
    fc.assert(
      fc.property(fc.array(line, { maxLength: 30 }), (lines) => {
        const { rows, about } = readCard(lines.join('\n'));
        expect(rows.size).toBeLessThanOrEqual(30);
        for (const facts of [about, ...rows.values()]) expectSober(facts);
      }),
      { numRuns: 1000 },
    );
  });
});
