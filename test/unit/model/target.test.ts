import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FetchError } from '../../../src/model/error.ts';
import type { TargetOptions } from '../../../src/model/target.ts';
import { parseTarget } from '../../../src/source/naming.ts';

const endpoint = 'https://huggingface.co';
const sha = '607a30d783dfa663caf39e06633721c8d4cfcd7e';

function parse(text: string, options: Partial<TargetOptions> = {}) {
  const { repo, revision, revisionOrigin, path } = parseTarget(text, { endpoint, ...options });
  const where = path === undefined ? '' : ` ${path.kind} ${path.path}`;
  return `${repo.type} ${repo.id} ${revisionOrigin}${revision === undefined ? '' : `=${revision}`}${where}`;
}

function failure(text: string, options: Partial<TargetOptions> = {}): FetchError {
  try {
    parseTarget(text, { endpoint, ...options });
  } catch (error) {
    if (error instanceof FetchError) return error;
    throw error;
  }
  throw new Error(`${text} was accepted`);
}

describe('forms', () => {
  test.each([
    ['TheBloke/Mistral-7B-Instruct-v0.1-GPTQ', 'model TheBloke/Mistral-7B-Instruct-v0.1-GPTQ default'],
    [' o/n ', 'model o/n default'],
    ['o/n/', 'model o/n default'],
    ['gpt2', 'model gpt2 default'],
    ['gpt2:main', 'model gpt2 colon=main'],
    ['o/n:gptq-8bit-32g-actorder_True', 'model o/n colon=gptq-8bit-32g-actorder_True'],
    ['o/n:refs/pr/1', 'model o/n colon=refs/pr/1'],
    ['o/n:Q4_K_M', 'model o/n colon=Q4_K_M'],
    ['o/n@gptq/8bit', 'model o/n at=gptq/8bit'],
    ['o/n@a@b', 'model o/n at=a@b'],
    [`gpt2@${sha}`, `model gpt2 at=${sha}`],
    ['datasets/o/n', 'dataset o/n default'],
    ['datasets/squad', 'dataset squad default'],
    ['datasets/o/n:v1', 'dataset o/n colon=v1'],
    ['spaces/o/n', 'space o/n default'],
    ['models/o/n', 'model o/n default'],
    ['https://huggingface.co/o/n', 'model o/n default'],
    ['https://huggingface.co/o/n/', 'model o/n default'],
    ['HTTPS://HuggingFace.co/o/n', 'model o/n default'],
    ['https://www.huggingface.co/o/n', 'model o/n default'],
    ['https://hf.co/o/n', 'model o/n default'],
    ['huggingface.co/o/n/tree/dev', 'model o/n address=dev'],
    ['hf.co/o/n:Q4_K_M', 'model o/n colon=Q4_K_M'],
    ['https://huggingface.co/gpt2', 'model gpt2 default'],
    ['https://huggingface.co/gpt2/tree/main', 'model gpt2 address=main'],
    ['https://huggingface.co/gpt2/resolve/main/a/b.bin', 'model gpt2 address=main file a/b.bin'],
    ['https://huggingface.co/o/tree', 'model o/tree default'],
    ['https://huggingface.co/o/tree/tree/v1/f', 'model o/tree address=v1 folder f'],
    ['https://huggingface.co/o/n/tree', 'model o/n default'],
    ['https://huggingface.co/o/n/tree/main', 'model o/n address=main'],
    ['https://huggingface.co/o/n/tree/main/onnx/', 'model o/n address=main folder onnx'],
    ['https://huggingface.co/o/n/tree/gptq%2F8bit/a/b', 'model o/n address=gptq/8bit folder a/b'],
    ['https://huggingface.co/o/n/tree/refs%2Fpr%2F3', 'model o/n address=refs/pr/3'],
    ['https://huggingface.co/o/n/tree/refs/pr/3', 'model o/n address=refs/pr/3'],
    ['https://huggingface.co/o/n/tree/refs/pr/3/onnx', 'model o/n address=refs/pr/3 folder onnx'],
    [
      'https://huggingface.co/o/n/blob/refs/convert/parquet/x.bin',
      'model o/n address=refs/convert/parquet file x.bin',
    ],
    ['https://huggingface.co/o/n/blob/main/config.json', 'model o/n address=main file config.json'],
    ['https://huggingface.co/o/n/raw/main/config.json#L3', 'model o/n address=main file config.json'],
    [
      'https://huggingface.co/o/n/resolve/main/s/a%20b%23c.bin?download=true',
      'model o/n address=main file s/a b#c.bin',
    ],
    ['https://huggingface.co/datasets/o/n/tree/main/data', 'dataset o/n address=main folder data'],
    ['https://huggingface.co/datasets/squad/blob/main/x', 'dataset squad address=main file x'],
    ['https://huggingface.co/spaces/o/n/blob/main/app.py', 'space o/n address=main file app.py'],
    ['hf://o/n', 'model o/n default'],
    ['hf://gpt2', 'model gpt2 default'],
    ['hf://gpt2@main/config.json', 'model gpt2 at=main either config.json'],
    ['hf://models/o/n', 'model o/n default'],
    ['hf://datasets/o/n@v1/data/x.csv', 'dataset o/n at=v1 either data/x.csv'],
    ['hf://spaces/o/n/app.py', 'space o/n default either app.py'],
    ['hf://o/n/onnx/', 'model o/n default folder onnx'],
    ['hf://o/n@gptq%2F8bit/a@b', 'model o/n at=gptq/8bit either a@b'],
    ['hf://o/n@refs/pr/1/config.json', 'model o/n at=refs/pr/1 either config.json'],
    ['hf://o/n@refs%2Fpr%2F1', 'model o/n at=refs/pr/1'],
    ['hf://o/n@refs/convert/parquet', 'model o/n at=refs/convert/parquet'],
    ['hf://o/n/', 'model o/n default'],
  ])('%s', (text, expected) => {
    expect(parse(text)).toBe(expected);
  });

  test('another endpoint, with a port and a path', () => {
    const options = { endpoint: 'http://localhost:8080/hub/' };
    expect(parse('http://localhost:8080/hub/o/n/tree/v1', options)).toBe('model o/n address=v1');
    expect(parse('localhost:8080/hub/datasets/o/n', options)).toBe('dataset o/n default');
    expect(parse('https://huggingface.co/o/n', options)).toBe('model o/n default');
    expect(parse('hub/n', { endpoint: 'http://hub' })).toBe('model hub/n default');
  });
});

describe('said twice', () => {
  test('the same revision is fine, and the option is the clearer word', () => {
    expect(parse('o/n:v1', { revision: 'v1' })).toBe('model o/n option=v1');
    expect(parse('o/n', { revision: 'v1' })).toBe('model o/n option=v1');
  });

  test.each(['o/n:v1', 'o/n@v1', 'https://huggingface.co/o/n/tree/v1', 'hf://o/n@v1'])(
    '%s against --revision',
    (text) => {
      expect(failure(text, { revision: 'v2' })).toMatchObject({
        code: 'USAGE',
        message: expect.stringContaining('twice'),
      });
    },
  );

  test('types', () => {
    expect(parse('o/n', { repoType: 'dataset' })).toBe('dataset o/n default');
    expect(parse('datasets/o/n', { repoType: 'dataset' })).toBe('dataset o/n default');
    expect(failure('datasets/o/n', { repoType: 'model' }).code).toBe('USAGE');
    expect(failure('https://huggingface.co/o/n', { repoType: 'space' }).code).toBe('USAGE');
  });
});

describe('refusals', () => {
  test.each([
    ['', 'No repository', 'OWNER/NAME'],
    ['a/b/c', 'more than one', '`fetch a/b c`'],
    ['a/b/c/d.json:dev', 'more than one', '`fetch a/b:dev c/d.json`'],
    ['datasets/a/b/c/d', 'more than one', '`fetch datasets/a/b c/d`'],
    ["a/b/c d's", 'more than one', "`fetch a/b 'c d'\\''s'`"],
    ['hf://buckets/o/n', 'buckets', 'hf://OWNER/NAME'],
    ['a//b', 'more than one', 'OWNER/NAME'],
    ['/a', 'path on this computer', '--local-dir'],
    ['./model', 'path on this computer', '--local-dir'],
    ['..', 'path on this computer', '--local-dir'],
    ['~/models/x', 'path on this computer', '--local-dir'],
    ['C:\\models\\x', 'path on this computer', '--local-dir'],
    ['C:/models/x', 'path on this computer', '--local-dir'],
    ['models\\x', 'path on this computer', '--local-dir'],
    ['o/n.git', '".git"', '`fetch o/n`'],
    ['https://huggingface.co/o/n.git', '".git"', '`fetch o/n`'],
    ['git@hf.co:o/n', 'not understood', 'https://'],
    ['s3://bucket/x', 'not understood', 'OWNER/NAME'],
    ['o/a b', '" "', 'OWNER/NAME'],
    ['o/ä', '"ä"', 'OWNER/NAME'],
    ['o/a--b', '"--"', 'OWNER/NAME'],
    ['o/a..b', '".."', 'OWNER/NAME'],
    ['o/-a', 'starts or ends', 'OWNER/NAME'],
    ['o/a.', 'starts or ends', 'OWNER/NAME'],
    [`o/${'a'.repeat(97)}`, 'longer than 96', 'OWNER/NAME'],
    ['o/n:', 'empty', 'leave the revision out'],
    ['o/n@', 'empty', 'leave the revision out'],
    ['hf://o/n@', 'empty', 'leave the revision out'],
    ['hf://', 'empty', 'OWNER/NAME'],
    ['o/n:-x', 'starts with "-"', 'branch'],
    ['o/n:a..b', '".."', 'branch'],
    ['o/n:a:b', '":"', 'branch'],
    ['o/n:a b', 'space', 'branch'],
    ['o/n:a\u0007b', 'control', 'branch'],
    ['o/n:/a', '"/"', 'branch'],
    ['https://example.com/o/n?token=secret', 'example.com', '--endpoint https://example.com'],
    ['https://huggingface.co/', 'no repository', 'address'],
    ['https://huggingface.co/papers/2401.1', 'no repository', 'address'],
    ['https://huggingface.co/o/n/discussions/4', 'discussions', '--revision refs/pr/4'],
    ['https://huggingface.co/o/n/settings', 'settings', 'Files'],
    ['https://huggingface.co/o/n/tree/%E0%A4%A', 'percent', '%25'],
    ['https://huggingface.co/o/n/tree/%00', 'control', 'branch'],
  ])('%s', (text, message, hint) => {
    const error = failure(text);
    expect(error.code).toBe('USAGE');
    expect(error.message).toContain(message);
    expect(error.hint).toContain(hint);
    expect(`${error.message}${error.hint}`).not.toContain('secret');
  });

  test('an option is checked too', () => {
    expect(failure('o/n', { revision: '' }).hint).toContain('leave the revision out');
    expect(failure('o/n', { revision: '-f' }).message).toContain('--revision');
  });

  test('an endpoint that is none', () => {
    expect(failure('https://huggingface.co/o/n', { endpoint: 'nonsense' }).message).toContain('endpoint');
  });
});

describe('properties', () => {
  const part = fc.stringMatching(/^[A-Za-z0-9]([A-Za-z0-9_]{0,10})$/);
  const name = fc.stringMatching(/^[a-zA-Z0-9_é日%#]{1,8}$/);
  // `refs/pr` and `refs/convert` are ambiguous only as first parts, which these never are.
  const revision = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));

  test('whatever is encoded into an address comes out of it', () => {
    fc.assert(
      fc.property(
        part,
        part,
        revision,
        fc.array(name, { minLength: 1, maxLength: 3 }),
        (owner, repo, rev, path) => {
          const file = path.map(encodeURIComponent).join('/');
          const url = `${endpoint}/${owner}/${repo}/blob/${encodeURIComponent(rev)}/${file}?x=1#y`;
          const target = parseTarget(url, { endpoint });
          expect(target).toEqual({
            repo: { type: 'model', id: `${owner}/${repo}` },
            revision: rev,
            revisionOrigin: 'address',
            path: { path: path.join('/'), kind: 'file' },
          });
          const uri = `hf://${owner}/${repo}@${encodeURIComponent(rev)}/${path.join('/')}`;
          expect(parseTarget(uri, { endpoint })).toMatchObject({
            revision: rev,
            path: { path: path.join('/') },
          });
        },
      ),
    );
  });

  test('any text gives a target or a USAGE error with a hint', () => {
    const piece = fc.constantFrom(
      'hf://',
      'https://huggingface.co/',
      '/',
      ':',
      '@',
      '%',
      '..',
      'tree',
      'refs',
      'pr',
      '\\',
      'a',
      '\ud800',
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(piece).map((pieces) => pieces.join('')),
    );
    fc.assert(
      fc.property(text, (input) => {
        try {
          const { repo, revision } = parseTarget(input, { endpoint });
          expect(repo.id).toMatch(/^[\w.-]+(\/[\w.-]+)?$/);
          if (revision !== undefined) encodeURIComponent(revision);
        } catch (error) {
          expect(error).toMatchObject({ name: 'FetchError', code: 'USAGE', hint: expect.any(String) });
        }
      }),
      { numRuns: 1000 },
    );
  });
});
