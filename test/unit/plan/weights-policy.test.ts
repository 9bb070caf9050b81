import { describe, expect, test } from 'vitest';
import { describeBranch } from '../../../src/branches/describe-branch.ts';
import type { RemoteFile } from '../../../src/model/remote-file.ts';
import { applyWeights, savedBySafetensors, selectQuantisation } from '../../../src/plan/weights-policy.ts';

const file = (path: string, size = 10): RemoteFile => ({ path, size, digest: undefined });
const paths = (files: readonly RemoteFile[]) => files.map(({ path }) => path);

const BOTH = [
  'config.json',
  'model.safetensors',
  'pytorch_model.bin',
  'original/x.pth',
  'onnx/model.onnx',
  'm.Q4_0.gguf',
].map((path) => file(path));

describe('--weights', () => {
  test('all is everything', () => expect(applyWeights(BOTH, 'all')).toBe(BOTH));

  test.each([
    ['safetensors', ['config.json', 'model.safetensors']],
    ['gguf', ['config.json', 'm.Q4_0.gguf']],
    ['auto', ['config.json', 'model.safetensors']],
  ] as const)('%s', (policy, expected) => {
    expect(paths(applyWeights(BOTH, policy))).toEqual(expected);
  });

  test('auto takes what there is', () => {
    const files = [file('config.json'), file('pytorch_model.bin'), file('tf_model.h5')];
    expect(paths(applyWeights(files, 'auto'))).toEqual(['config.json', 'pytorch_model.bin']);
    expect(applyWeights([file('config.json')], 'auto')).toHaveLength(1);
  });

  test('a kind that is not there is an error that names those that are', () => {
    expect(() => applyWeights([file('pytorch_model.bin')], 'safetensors')).toThrow(
      expect.objectContaining({
        code: 'NOT_FOUND',
        hint: 'It has pytorch: leave --weights out to get it all.',
      }),
    );
  });

  test('how much safetensors would save', () => {
    expect(savedBySafetensors(BOTH)).toBe(40);
    expect(savedBySafetensors([file('pytorch_model.bin')])).toBe(0);
    expect(savedBySafetensors([file('model.safetensors'), file('config.json')])).toBe(0);
  });
});

describe('a quantisation', () => {
  const files = [
    'README.md',
    'm.Q4_K_M.gguf',
    'm.Q8_0-00001-of-00002.gguf',
    'm.Q8_0-00002-of-00002.gguf',
    'mmproj-f16.gguf',
  ].map((path) => file(path));

  test('is its parts, the projector and the small files, in any case', () => {
    expect(paths(selectQuantisation(files, 'q8_0'))).toEqual(
      paths(files).filter((path) => !path.includes('Q4')),
    );
  });

  test('that is not there is answered with the nearest', () => {
    expect(() => selectQuantisation(files, 'Q4_K_S')).toThrow(
      expect.objectContaining({ code: 'NOT_FOUND', hint: expect.stringContaining('Q4_K_M') as string }),
    );
  });

  test('with a missing part is refused', () => {
    expect(() => selectQuantisation([file('m.Q8_0-00001-of-00002.gguf')], 'Q8_0')).toThrow('of its parts');
  });
});

test('auto takes the format whose weights the table counts', async () => {
  const paths = [
    'model.safetensors',
    'consolidated.safetensors',
    'pytorch_model.bin',
    'original/consolidated.00.pth',
    'ggml-model.bin',
    'onnx/model.onnx',
    'tf_model.h5',
  ];
  const sized = paths.map((path, index) => file(path, 1000 + index));
  for (const first of sized) {
    for (const second of sized) {
      if (first === second) continue;
      const [row] = await describeBranch({
        kind: 'branch',
        revision: 'main',
        commit: 'a'.repeat(40),
        date: undefined,
        files: [first, second],
        read: async () => new Uint8Array(),
        card: Promise.resolve({ rows: new Map(), about: {} }),
        whole: false,
      });
      const taken = applyWeights([first, second], 'auto');
      // TensorFlow is in no list of preferences: auto then takes it with the other.
      if (taken.length === 1) expect(taken[0]?.size, `${first.path} ${second.path}`).toBe(row?.weightBytes);
    }
  }
});
