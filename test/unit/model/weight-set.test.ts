import { describe, expect, test } from 'vitest';
import { parseGgufName } from '../../../src/model/gguf-name.ts';
import { weightFormat } from '../../../src/model/weight-format.ts';
import { weightSets } from '../../../src/model/weight-set.ts';

test.each([
  ['model-00001-of-00003.safetensors', 'safetensors'],
  ['unet/diffusion_pytorch_model.safetensors', 'safetensors'],
  ['consolidated.safetensors', 'consolidated'],
  ['pytorch_model-00001-of-00002.bin', 'pytorch'],
  ['consolidated.00.pth', 'pytorch'],
  ['original/consolidated.00.pth', 'original'],
  ['original/params.json', 'other'],
  ['onnx/model.onnx', 'onnx'],
  ['onnx/model.onnx_data', 'onnx'],
  ['tf_model.h5', 'tensorflow'],
  ['flax_model.msgpack', 'flax'],
  ['openvino/openvino_model.bin', 'openvino'],
  ['llama.ggmlv3.q4_0.bin', 'ggml'],
  ['model.bin', 'ctranslate2'],
  ['training_args.bin', 'other'],
  ['optimizer.pt', 'other'],
  ['config.json', 'other'],
  ['tokenizer.model', 'other'],
  ['a.gguf', 'gguf'],
])('%s is %s', (path, format) => {
  expect(weightFormat(path)).toBe(format);
});

test.each([
  ['mistral-7b.Q4_K_M.gguf', 'Q4_K_M'],
  ['model-q4_k_m.gguf', 'Q4_K_M'],
  ['Model-UD-IQ2_XXS.gguf', 'UD-IQ2_XXS'],
  ['Model-IQ4_NL-00001-of-00002.gguf', 'IQ4_NL'],
  ['Q8_0/Model-Q8_0-00002-of-00003.gguf', 'Q8_0'],
  ['BF16/model-00001-of-00009.gguf', 'BF16'],
  ['model-fp16.gguf', 'F16'],
  ['llama-70b.Q6_K.gguf-split-a', 'Q6_K'],
  ['gpt-oss-20b-mxfp4.gguf', 'MXFP4'],
  ['Qwen3-4B-Instruct-Q4_0_4_4.gguf', 'Q4_0_4_4'],
  ['plain.gguf', undefined],
])('%s is a quantisation %s', (path, label) => {
  expect(parseGgufName(path).quantisation).toBe(label);
});

describe('copies of the weights', () => {
  const file = (path: string, size = 1) => ({ path, size });

  test('parts and the projector go with their quantisation', () => {
    const sets = weightSets([
      file('m.Q4_K_M.gguf', 10),
      file('m.Q8_0-00002-of-00002.gguf', 20),
      file('m.Q8_0-00001-of-00002.gguf', 20),
      file('mmproj-f32.gguf', 9),
      file('mmproj-f16.gguf', 5),
      file('imatrix.gguf', 1),
      file('README.md'),
    ]);
    expect(
      sets.map(({ label, files, projector }) => [label, files.map(({ path }) => path), projector?.path]),
    ).toEqual([
      ['Q4_K_M', ['m.Q4_K_M.gguf'], 'mmproj-f16.gguf'],
      ['Q8_0', ['m.Q8_0-00001-of-00002.gguf', 'm.Q8_0-00002-of-00002.gguf'], 'mmproj-f16.gguf'],
    ]);
  });

  test('two models of one quantisation are told apart by name', () => {
    const sets = weightSets([file('a.Q4_0.gguf'), file('b.Q4_0.gguf'), file('a.Q8_0.gguf')]);
    expect(sets.map(({ label }) => label)).toEqual(['a.Q4_0', 'b.Q4_0', 'Q8_0']);
  });

  test('parts that are not there are counted', () => {
    const [set] = weightSets([file('m.Q8_0-00001-of-00003.gguf')]);
    expect(set?.missingParts).toBe(2);
  });
});
