import fc from 'fast-check';
import { expect, test } from 'vitest';
import { localDirectoryName } from '../../../src/model/local-directory-name.ts';
import { windowsNameProblem } from '../../../src/model/windows-name.ts';

test.each([
  ['o/n', undefined, 'n'],
  ['gpt2', undefined, 'gpt2'],
  ['registry.ollama.ai/library/mixtral', '8x7b', 'mixtral_8x7b'],
  ['host:5000/a', `sha256:${'0123456789abcdef'.repeat(4)}`, 'a_0123456789ab'],
  ['o/n', 'gptq-8bit-32g-actorder_True', 'n_gptq-8bit-32g-actorder_True'],
  ['o/n', 'gptq/8bit', 'n_gptq_8bit'],
  ['o/n', 'refs/pr/1', 'n_refs_pr_1'],
  ['o/n', 'a"b<c>|d', 'n_a_b_c__d'],
  ['o/con', undefined, '_con'],
  ['o/nul.v1', undefined, '_nul.v1'],
  ['o/con', 'v1', 'con_v1'],
])('%s %s → %s', (id, revision, expected) => {
  expect(localDirectoryName({ type: 'model', id }, revision)).toBe(expected);
});

test('every name can be made on Windows', () => {
  fc.assert(
    fc.property(
      fc.stringMatching(/^[\w.-]{1,20}$/),
      fc.string({ unit: 'binary', minLength: 1 }),
      (name, revision) => {
        expect(
          windowsNameProblem(localDirectoryName({ type: 'model', id: `o/${name}` }, revision)),
        ).toBeUndefined();
      },
    ),
  );
});
