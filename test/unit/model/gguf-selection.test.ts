import { describe, expect, test } from 'vitest';
import { findQuantisation } from '../../../src/model/find-quantisation.ts';
import { parseGgufName } from '../../../src/model/gguf-name.ts';
import type { RemoteFile } from '../../../src/model/remote-file.ts';
import { weightFormat } from '../../../src/model/weight-format.ts';
import { setBytes, weightSets } from '../../../src/model/weight-set.ts';
import { applyWeights, selectQuantisation } from '../../../src/plan/weights-policy.ts';

const file = (path: string, size = 10): RemoteFile => ({ path, size, digest: undefined });
const listing = (...names: string[]) => names.map((path) => file(path));
const chosen = (files: readonly RemoteFile[], name: string) =>
  selectQuantisation(files, name).map(({ path }) => path);
const labels = (files: readonly RemoteFile[]) => weightSets(files).map(({ label }) => label);

describe('pieces that are joined with cat', () => {
  test.each([
    ['m.Q8_0.gguf.part1of2', 1, 2],
    ['m.Q8_0.gguf.part10of12', 10, 12],
    ['m.Q8_0.gguf.a', 1, undefined],
    ['m.Q8_0.gguf.b', 2, undefined],
    ['m.Q8_0.gguf-part-a', 1, undefined],
    ['m.Q8_0.gguf-split-c', 3, undefined],
    ['m.Q8_0.gguf.part-ab', 2, undefined],
    ['m.Q8_0.gguf.aa', 1, undefined],
    ['m.Q8_0.gguf.001', 1, undefined],
    ['m.Q8_0.gguf-00001-of-00003', 1, 3],
    ['m.Q8_0-chunk-001-of-018.gguf', 1, 18],
    ['m.Q8_0.part2of3.gguf', 2, 3],
  ])('%s', (path, part, parts) => {
    expect(weightFormat(path)).toBe('gguf');
    const name = parseGgufName(path);
    expect(name).toMatchObject({ quantisation: 'Q8_0', part, parts, joined: true });
    expect(name.whole).toBe('m.Q8_0.gguf');
  });

  test('belong to one quantisation and come with no other', () => {
    const files = listing('README.md', 'm.Q8_0.gguf.part2of2', 'm.Q8_0.gguf.part1of2', 'm.Q4_K_S.gguf');
    expect(chosen(files, 'Q4_K_S')).toEqual(['README.md', 'm.Q4_K_S.gguf']);
    expect(chosen(files, 'Q8_0')).toEqual(['README.md', 'm.Q8_0.gguf.part2of2', 'm.Q8_0.gguf.part1of2']);
    const [set] = weightSets(listing('m.Q6_K.gguf.part10of11', 'm.Q6_K.gguf.part9of11'));
    expect(set?.files.map(({ path }) => path)).toEqual(['m.Q6_K.gguf.part9of11', 'm.Q6_K.gguf.part10of11']);
    expect(set?.missingParts).toBe(9);
  });

  test('letters have no gaps', () => {
    expect(weightSets(listing('m.Q6_K.gguf.a', 'm.Q6_K.gguf.c'))[0]?.missingParts).toBe(1);
    expect(() => chosen(listing('m.Q6_K.gguf-split-b'), 'Q6_K')).toThrow('of its parts');
  });

  test.each(['m.gguf.json', 'm.gguf.md', 'm.gguf.sha256', 'm.gguf.txt'])('%s is no piece', (path) => {
    expect(weightFormat(path)).toBe('other');
  });
});

describe('labels are as long as llama.cpp reads them', () => {
  test.each([
    ['x-Q6_K_P.gguf', 'Q6_K_P'],
    ['x-Q4_K_R4.gguf', 'Q4_K_R4'],
    ['x-Q1_0_g128.gguf', 'Q1_0_g128'],
    ['x-Q2_0_g64.gguf', 'Q2_0_g64'],
    ['IQ3_K/x-IQ3_K-00001-of-00002.gguf', 'IQ3_K'],
    ['x-IQ4_KSS.gguf', 'IQ4_KSS'],
    ['x-smol-IQ4_KSS-00001-of-00004.gguf', 'smol-IQ4_KSS'],
    ['x-IQ2_KL.gguf', 'IQ2_KL'],
    ['x-IQ1_KT.gguf', 'IQ1_KT'],
    ['x-PQ2_0.gguf', 'PQ2_0'],
    ['x-Q8_KV.gguf', 'Q8_KV'],
    ['x-Q8_K_R8.gguf', 'Q8_K_R8'],
    ['Phi-3-mini-4k-instruct-q4.gguf', 'Q4'],
    ['x-FP8.gguf', 'FP8'],
    ['x-NVFP4.gguf', 'NVFP4'],
    ['x-MXFP4_MOE.gguf', 'MXFP4_MOE'],
  ])('%s is %s', (path, label) => {
    expect(parseGgufName(path).quantisation).toBe(label);
    expect(
      chosen(listing(path.replace(/00001-of-0000\d/, '00001-of-00001')), label.toLowerCase()),
    ).toHaveLength(1);
  });

  test('a name never begins within another', () => {
    const files = listing('x-Q4_K_R4.gguf', 'y-IQ4_K.gguf', 'x-Q6_K_P.gguf');
    for (const name of ['Q4_K', 'Q6_K', 'K_P', '4_K'])
      expect(() => chosen(files, name)).toThrow('no quantisation');
  });
});

describe('what llama.cpp and the Hub take for a tag', () => {
  const unsloth = listing('M-UD-Q4_K_M.gguf', 'M-Q8_0.gguf', 'M-IQ2_M.gguf', 'config.json');
  test.each([
    ['Q4_K_M', 'M-UD-Q4_K_M.gguf'],
    ['ud-q4_k_m', 'M-UD-Q4_K_M.gguf'],
    ['latest', 'M-UD-Q4_K_M.gguf'],
    ['M-Q8_0.gguf', 'M-Q8_0.gguf'],
    ['m-q8_0', 'M-Q8_0.gguf'],
    ['IQ2_M', 'M-IQ2_M.gguf'],
  ])(':%s', (name, path) => {
    expect(chosen(unsloth, name).sort()).toEqual([path, 'config.json'].sort());
  });

  test('latest is Q8_0 or the first where there is no Q4_K_M', () => {
    expect(chosen(listing('a-F16.gguf', 'a-Q8_0.gguf'), 'latest')).toEqual(['a-Q8_0.gguf']);
    expect(chosen(listing('a-F16.gguf', 'a-Q6_K.gguf'), 'latest')).toEqual(['a-F16.gguf']);
    expect(chosen(listing('a-F16-00001-of-00002.gguf', 'a-Q6_K.gguf'), 'latest')).toEqual(['a-Q6_K.gguf']);
    expect(findQuantisation(listing('README.md'), 'latest').matches).toEqual([]);
  });

  test('one quantisation of two models is no answer, one model in two forms is', () => {
    expect(() => chosen(listing('a.Q4_0.gguf', 'b.Q4_0.gguf'), 'Q4_0')).toThrow('several');
    const twice = listing(
      'Q8_0/x-Q8_0-00001-of-00002.gguf',
      'Q8_0/x-Q8_0-00002-of-00002.gguf',
      'x-Q8_0.gguf',
    );
    expect(labels(twice)).toEqual(['Q8_0/x-Q8_0', 'x-Q8_0']);
    expect(chosen(twice, 'x-Q8_0')).toEqual(['x-Q8_0.gguf']);
    expect(chosen(twice, 'Q8_0/x-Q8_0')).toHaveLength(2);
    expect(findQuantisation(twice, 'Q8_0').matches).toHaveLength(1);
  });

  test('the plain model comes before the one with something in its name', () => {
    const files = listing('x-MTP-Q8_0.gguf', 'x-Q8_0.gguf', 'x-v2-Q8_0.gguf');
    expect(chosen(files, 'Q8_0')).toEqual(['x-Q8_0.gguf']);
    expect(chosen(files, 'x-MTP-Q8_0')).toEqual(['x-MTP-Q8_0.gguf']);
    expect(() => chosen(listing('x-7b-Q8_0.gguf', 'x-70b-Q8_0.gguf'), 'Q8_0')).toThrow('several');
    expect(() => chosen(listing('x-7-Q8_0.gguf', 'x-70-Q8_0.gguf'), 'Q8_0')).toThrow('several');
  });

  test('names differ whatever the files are called', () => {
    const files = listing(
      'x-Q8_0-00001-of-00002.gguf',
      'x-Q8_0-00002-of-00002.gguf',
      'x-Q8_0-00001-of-00001.gguf',
      'X-Q8_0.gguf',
    );
    const names = labels(files).map((label) => label?.toLowerCase());
    expect(new Set(names).size).toBe(names.length);
    for (const label of labels(files)) expect(findQuantisation(files, label ?? '').matches).toHaveLength(1);
  });
});

describe('heads that guess tokens', () => {
  test.each([
    'MTP/mtp-M-Q4_0.gguf',
    'M-mtp-Q4_0.gguf',
    'eagle3-M-Q4_0.gguf',
    'M-dflash-Q4_0.gguf',
    'dspark-Q4_0.gguf',
  ])('%s is no model', (draft) => {
    const files = listing('M-Q4_0.gguf', draft);
    expect(labels(files)).toEqual(['Q4_0']);
    expect(chosen(files, 'Q4_0')).toEqual(['M-Q4_0.gguf']);
    expect(() => chosen(listing('M-Q8_0.gguf', draft), 'Q4_0')).toThrow(
      expect.objectContaining({ code: 'NOT_FOUND', message: expect.stringContaining(draft) as string }),
    );
  });

  test('-MTP- in capitals is the whole model', () => {
    expect(labels(listing('M-MTP-Q8_0.gguf'))).toEqual(['Q8_0']);
  });
});

describe('what comes along', () => {
  test('no calibration data, no archive of another quantisation', () => {
    const files = listing(
      'm-Q4_0.gguf',
      'imatrix_unsloth.dat',
      'imatrix_unsloth.gguf_file',
      'imatrix.dat',
      'm.imatrix',
      'imatrix-readme.md',
      'm-Q8_0.gguf.zip',
      'm-Q8_0.7z',
      'tokenizer.model',
    );
    expect(chosen(files, 'Q4_0')).toEqual(['m-Q4_0.gguf', 'imatrix-readme.md', 'tokenizer.model']);
  });

  test.each([
    ['another directory', ['a/A-Q4_K_M.gguf', 'b/mmproj-B-F16.gguf'], 'a/A-Q4_K_M.gguf', undefined],
    ['the root', ['a/A-Q4_K_M.gguf', 'mmproj-F16.gguf'], 'a/A-Q4_K_M.gguf', 'mmproj-F16.gguf'],
    [
      'the deepest',
      ['mmproj-F16.gguf', 'a/A-Q4_K_M.gguf', 'a/mmproj-F32.gguf'],
      'a/A-Q4_K_M.gguf',
      'a/mmproj-F32.gguf',
    ],
    [
      'the nearest width',
      ['A-Q8_0.gguf', 'mmproj-A-Q8_0.gguf', 'mmproj-A-F16.gguf'],
      'A-Q8_0.gguf',
      'mmproj-A-Q8_0.gguf',
    ],
    [
      'half precision',
      ['A-Q4_0.gguf', 'mmproj-BF16.gguf', 'mmproj-F16.gguf', 'mmproj-F32.gguf'],
      'A-Q4_0.gguf',
      'mmproj-F16.gguf',
    ],
    [
      'the one of its name',
      ['A-Q4_0.gguf', 'B-Q4_1.gguf', 'mmproj-A-F32.gguf', 'mmproj-B-F16.gguf'],
      'A-Q4_0.gguf',
      'mmproj-A-F32.gguf',
    ],
  ])('the projector of %s', (_name, paths, model, projector) => {
    const set = weightSets(listing(...paths)).find(({ files }) => files[0]?.path === model);
    expect(set?.projector?.path).toBe(projector);
  });
});

describe('weights of other formats', () => {
  test('calibration data is none of them', () => {
    const files = listing(
      'm-Q4_0.gguf',
      'M-Imatrix-Q8_0.gguf',
      'imatrix_x.gguf',
      'imatrix.dat',
      'model.safetensors',
    );
    expect(applyWeights(files, 'gguf').map(({ path }) => path)).toEqual([
      'm-Q4_0.gguf',
      'M-Imatrix-Q8_0.gguf',
    ]);
    expect(applyWeights(files, 'safetensors').map(({ path }) => path)).toEqual(['model.safetensors']);
    expect(applyWeights(files, 'all')).toBe(files);
  });

  test.each([
    'rust_model.ot',
    'm.nemo',
    'm.litertlm',
    'cuda/m.onnx.data',
    'm.tflite',
    'm.pte',
    'm.dduf',
    'm.pdiparams',
    'params_shard_0.bin',
  ])('--weights safetensors leaves out %s', (path) => {
    const files = listing('config.json', 'model.safetensors', path);
    expect(applyWeights(files, 'safetensors').map((one) => one.path)).toEqual([
      'config.json',
      'model.safetensors',
    ]);
    expect(weightSets(listing(path))).toHaveLength(1);
  });
});

describe('copies of the same weights', () => {
  const sized = (entries: Record<string, number>) =>
    Object.entries(entries).map(([path, size]) => file(path, size));
  const loaded = (entries: Record<string, number>) => setBytes(weightSets(sized(entries))[0]!);

  test.each<[string, Record<string, number>, number]>([
    [
      'whisper',
      {
        'model.safetensors': 3,
        'model.fp32-00001-of-00002.safetensors': 4,
        'model.fp32-00002-of-00002.safetensors': 2,
      },
      3,
    ],
    [
      'a pipeline takes half precision, and no single-file copy',
      {
        'model_index.json': 1,
        'unet/diffusion_pytorch_model.safetensors': 100,
        'unet/diffusion_pytorch_model.fp16.safetensors': 50,
        'vae/diffusion_pytorch_model.fp16.safetensors': 5,
        'vae_1_0/diffusion_pytorch_model.fp16.safetensors': 5,
        'text_encoder_2/model.safetensors': 7,
        'sd_xl_base_1.0.safetensors': 60,
      },
      62,
    ],
    [
      'transformers.js',
      { 'onnx/model.onnx': 133, 'onnx/model_quantized.onnx': 34, 'onnx/model_q4f16.onnx': 30 },
      133,
    ],
    [
      'ONNX with data beside it, in three variants',
      {
        'cpu/int4/m.onnx': 1,
        'cpu/int4/m.onnx.data': 20,
        'cuda/fp16/m.onnx': 1,
        'cuda/fp16/m.onnx.data': 70,
        'cuda/int4/m.onnx': 1,
        'cuda/int4/m.onnx.data': 22,
      },
      71,
    ],
    [
      'an encoder and the merged decoder',
      {
        'onnx/encoder_model.onnx': 5,
        'onnx/decoder_model.onnx': 7,
        'onnx/decoder_model_merged.onnx': 8,
        'onnx/decoder_with_past_model.onnx': 6,
      },
      13,
    ],
    ['whisper.cpp', { 'ggml-tiny.bin': 1, 'ggml-large-v3.bin': 30, 'ggml-base-q5_1.bin': 2 }, 30],
    [
      'parts of one model',
      { 'model-00001-of-00002.safetensors': 5, 'model-00002-of-00002.safetensors': 4 },
      9,
    ],
    ['modules of sentence-transformers', { 'model.safetensors': 5, '2_Dense/model.safetensors': 1 }, 6],
    ['checkpoints of a training', { 'model.safetensors': 5, 'checkpoint-500/model.safetensors': 5 }, 5],
  ])('%s', (_name, entries, bytes) => {
    expect(loaded(entries)).toBe(bytes);
  });

  test('a part that is missing is counted', () => {
    expect(weightSets(listing('model-00001-of-00004.safetensors'))[0]?.missingParts).toBe(3);
    expect(weightSets(listing('model-00000-of-00001.safetensors'))[0]?.missingParts).toBe(0);
  });
});

test('a listing of nothing but quantisations and projectors takes a moment, not minutes', () => {
  const models = Array.from({ length: 20_000 }, (_, index) => `a/m${index % 100}-Q4_K_M-${index}.gguf`);
  const projectors = Array.from({ length: 5000 }, (_, index) => `a/mmproj-${index}-F16.gguf`);
  const pieces = Array.from({ length: 20_000 }, (_, index) => `x-Q8_0.gguf.part${index + 1}of99999`);
  const long = `${'_Q4'.repeat(50_000)}.gguf`;
  const sets = weightSets(listing(...models, ...projectors, ...pieces, long));
  expect(new Set(sets.map(({ label }) => label?.toUpperCase())).size).toBe(sets.length);
});

test('a model that was made with a matrix is no matrix', () => {
  const matrices = [
    'imatrix_unsloth.gguf',
    'imatrix.gguf',
    'IMATRIX_X.GGUF',
    'q/imatrix_unsloth.gguf',
    'M-imatrix.gguf',
    'M-BF16-imatrix.gguf',
  ];
  for (const path of matrices) expect(labels(listing(path)), path).toEqual([]);
  const models = ['M-Imatrix-Tuned-Q4_K_M.gguf', 'imatrixed-model-Q8_0.gguf', 'M-imatrix-Q5_0.gguf'];
  expect(labels(listing(...models))).toEqual(['Q4_K_M', 'Q8_0', 'Q5_0']);
});
