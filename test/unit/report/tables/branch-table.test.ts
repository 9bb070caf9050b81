import { describe, expect, test } from 'vitest';
import type { BranchRow, Fact, Facts } from '../../../../src/model/branch-facts.ts';
import { renderBranchTable } from '../../../../src/report/tables/branch-table.ts';
import { renderFitTable } from '../../../../src/report/tables/fit-table.ts';

const fact = <T>(value: T, origin: Fact<T>['origin'] = 'config.json') => ({ value, origin });

function row(
  kind: BranchRow['kind'],
  revision: string,
  more: Partial<BranchRow> = {},
  facts: Facts = {},
): BranchRow {
  return {
    kind,
    revision,
    commit: revision.padEnd(40, '0'),
    date: undefined,
    variant: undefined,
    files: [],
    bytes: 1e9,
    weightBytes: 1e9,
    formats: [],
    facts,
    conflicts: [],
    problems: [],
    ...more,
  };
}

const table = (...rows: BranchRow[]) =>
  renderBranchTable({ repo: { type: 'model', id: 'o/n' }, rows, notes: [] }, { columns: 100 });

describe('tags', () => {
  test('are marked, and counted apart', () => {
    const text = table(row('branch', 'main'), row('branch', 'dev'), row('tag', 'v1.0'));
    expect(text.split('\n')[0]).toBe('o/n: 2 branches and 1 tag');
    expect(text).toMatch(/^v1\.0 \(tag\) /m);
    expect(text).toMatch(/^main /m);
    expect(table(row('tag', 'v1'), row('tag', 'v2')).split('\n')[0]).toBe('o/n: 2 tags');
    expect(table(row('branch', 'main')).split('\n')[0]).toBe('o/n: 1 branch');
  });
});

describe('remarks', () => {
  test('a projector counts where it comes along', () => {
    const file = (path: string) => ({ path, size: 9e8, digest: undefined });
    const one = row('branch', 'main', {
      variant: 'Q4_0',
      files: [file('x-Q4_0.gguf'), file('mmproj-F16.gguf')],
    });
    const two = row('branch', 'main', { variant: 'Q8_0', files: [file('x-Q8_0.gguf')] });
    expect(table(one, two)).toContain('the size of Q4_0 includes mmproj-F16.gguf, 900 MB');
    expect(table(one)).toContain('every size includes mmproj-F16.gguf, 900 MB');
  });

  test('what a shape implies stands beside what was counted', () => {
    const believed = fact(7.34e6, 'safetensors header');
    const other = fact(7.24e9, 'computed');
    const text = table(row('branch', 'main', { conflicts: [{ field: 'parameters', believed, other }] }));
    expect(text).toContain('main: parameters: 7.34M in safetensors header (expected 7.24B from config.json)');
  });

  test('the card on ExLlama, and today', () => {
    const conflict = { field: 'exllama' as const, believed: fact(false, 'card'), other: fact(true, 'rule') };
    const text = table(row('branch', 'main', { conflicts: [conflict] }));
    expect(text).toContain('main: ExLlama: card says no; supported by current versions');
  });

  test('copies of the same weights are no parts', () => {
    const formats = [{ format: 'onnx', files: 2, bytes: 167e6 }];
    const text = table(
      row('branch', 'main', {
        formats,
        weightBytes: 133e6,
        otherCopies: { format: 'onnx', files: 1, bytes: 34e6 },
      }),
    );
    expect(text).not.toContain('PARTS');
    expect(text).toContain('main: one copy of the weights is loaded, 133 MB; 1 file of 34.0 MB holds others');
  });

  test('an adapter names its model', () => {
    const text = table(
      row('branch', 'main', {}, { method: fact('lora'), baseModel: fact('meta-llama/Llama-3.1-8B') }),
    );
    expect(text.split('\n')[0]).toBe('o/n: 1 branch, LoRA adapter of meta-llama/Llama-3.1-8B');
  });
});

test('the cache of vLLM is named where it differs', () => {
  const one = row('branch', 'main');
  const fit = {
    weights: 1e9,
    kvCache: 2e9,
    kvCacheVllm: 4e9,
    runtime: 8e8,
    total: 3.8e9,
    context: 32768,
    memory: 9e9,
    fits: true,
    reasons: ['most bits that fit'],
  };
  const text = renderFitTable(
    { repo: { type: 'model', id: 'o/n' }, rows: [one], notes: [] },
    [{ row: one, fit }],
    { columns: 100 },
  );
  expect(text).toContain('1. main: most bits that fit; vLLM keeps a cache of 4.00 GB');
  expect(text).toContain('KV cache in fp16');
});
