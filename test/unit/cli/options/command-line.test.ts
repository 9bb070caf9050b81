import { describe, expect, test } from 'vitest';
import { readWords, wantsJson } from '../../../../src/cli/options/command-line.ts';
import { COMMANDS } from '../../../../src/cli/options/program.ts';
import { refuseWords } from '../../../../src/cli/options/refuse-words.ts';
import type { FetchError } from '../../../../src/model/error.ts';

const read = (...words: string[]) => readWords(words, COMMANDS);

describe('help in every order', () => {
  test.each([
    [['help'], ['--help']],
    [
      ['help', 'branches'],
      ['branches', '--help'],
    ],
    [
      ['help', 'cache', 'rm'],
      ['cache', 'rm', '--help'],
    ],
    [
      ['--help', 'branches'],
      ['branches', '--help'],
    ],
    [
      ['-h', 'verify'],
      ['verify', '--help'],
    ],
    [['--help'], ['--help']],
    [['help', 'nonsense'], ['--help']],
    [['version'], ['--version']],
    [
      ['download', 'help'],
      ['download', 'help'],
    ],
    [
      ['branches', '--help'],
      ['branches', '--help'],
    ],
  ])('%j is %j', (written, meant) => {
    expect(readWords(written, COMMANDS).words).toEqual(meant);
  });
});

describe('several patterns behind one option', () => {
  test('a word with a wildcard belongs to the option before it', () => {
    expect(read('o/n', '--include', '*.json', '*.txt', 'a?b', '--exclude', 'x[12]', '*.bin').words).toEqual(
      'o/n --include *.json --include *.txt --include a?b --exclude x[12] --exclude *.bin'.split(' '),
    );
    expect(read('o/n', '--exclude=*.bin', '*.h5').words).toEqual([
      'o/n',
      '--exclude=*.bin',
      '--exclude',
      '*.h5',
    ]);
  });

  test('a word without one can mean two things, and is refused behind a repository', () => {
    const { words, loose } = read('o/n', '--exclude', 'model.safetensors', 'pytorch_model.bin');
    expect(words).toEqual(['o/n', '--exclude', 'model.safetensors', 'pytorch_model.bin']);
    expect(loose).toEqual([{ word: 'pytorch_model.bin', option: '--exclude' }]);
    expect(() => refuseWords({ repo: 'o/n', names: ['pytorch_model.bin'], isFirst: true, loose })).toThrow(
      'it is not clear whether pytorch_model.bin belongs to --exclude',
    );
  });

  test('a repository may come last, and files before the option', () => {
    const last = read('--include', '*.json', '*.txt', 'o/n');
    expect(last.words).toEqual(['--include', '*.json', '--include', '*.txt', 'o/n']);
    expect(() => refuseWords({ repo: 'o/n', names: [], isFirst: true, loose: last.loose })).not.toThrow();
    const first = read('o/n', 'a.txt', '--exclude', '*.bin');
    expect(() =>
      refuseWords({ repo: 'o/n', names: ['a.txt'], isFirst: true, loose: first.loose }),
    ).not.toThrow();
  });

  test('behind -- everything is as it is written', () => {
    expect(read('--include', 'a', '--', '*.b').words).toEqual(['--include', 'a', '--', '*.b']);
  });
});

test('--local-dir-use-symlinks takes only what it took', () => {
  expect(read('o/n', '--local-dir-use-symlinks', '-q').words).toEqual([
    'o/n',
    '--local-dir-use-symlinks=auto',
    '-q',
  ]);
  expect(read('--local-dir-use-symlinks', 'o/n').words).toEqual(['--local-dir-use-symlinks=auto', 'o/n']);
  const usual = ['o/n', '--local-dir-use-symlinks', 'False'];
  expect(read(...usual).words).toEqual(usual);
});

test('--json counts before -- only', () => {
  expect(wantsJson(['a', '--json'])).toBe(true);
  expect(wantsJson(['a', '--', '--json'])).toBe(false);
});

describe('a first word that is no repository', () => {
  const refused = (repo: string, ...names: string[]): FetchError | undefined => {
    try {
      refuseWords({ repo, names, isFirst: true, loose: [] });
      return undefined;
    } catch (error) {
      return error as FetchError;
    }
  };

  test.each([
    ['verfy', ['d'], 'fetch verify d'],
    ['branch', ['o/n'], 'fetch branches o/n'],
    ['brances', ['o/n'], 'fetch branches o/n'],
    ['docter', [], 'fetch doctor'],
    ['downlaod', ['o/n'], 'fetch download o/n'],
    ['cahce', ['ls'], 'fetch cache ls'],
    ['ls', ['o/n'], 'fetch branches o/n'],
    ['list', ['o/n'], 'fetch o/n --dry-run'],
    ['info', ['o/n'], 'fetch o/n --dry-run'],
    ['du', ['o/n'], 'fetch o/n --dry-run'],
    ['login', [], 'hf auth login'],
    ['whoami', [], 'HF_TOKEN'],
    ['auth', ['login'], 'hf auth login'],
    ['clone', ['o/n'], 'fetch o/n'],
    ['get', ['o/n'], 'fetch o/n'],
    ['pull', ['o/n:q4'], 'fetch o/n:q4'],
    ['hf', ['download', 'o/n'], 'fetch o/n'],
    ['huggingface-cli', ['download', 'o/n', 'a b'], "fetch o/n 'a b'"],
    ['repo', ['clone', 'o/n'], 'fetch --help'],
    ['update', ['o/n'], 'fetch o/n'],
    ['LS', ['o/n'], 'fetch branches o/n'],
  ])('%s %j: %s', (word, names, line) => {
    const error = refused(word, ...names);
    expect(error?.code).toBe('USAGE');
    expect(error?.hint).toContain(line);
  });

  test.each([
    'gpt2',
    'bert-base-uncased',
    't5-small',
    'imdb',
    'squad',
    'glue',
    'distilgpt2',
    'camembert-base',
    'ctrl',
    'o/verfy',
    'verfy:x',
  ])('%s stays a repository', (repo) => {
    expect(refused(repo)).toBeUndefined();
  });

  test('behind `download` everything is a repository', () => {
    expect(() => refuseWords({ repo: 'verfy', names: [], isFirst: false, loose: [] })).not.toThrow();
  });
});

test('COMMANDS names every command', async () => {
  const { createProgram } = await import('../../../../src/cli/options/program.ts');
  const program = createProgram('1', {} as never, { out: () => {}, error: () => {} });
  expect(program.commands.map((command) => command.name()).toSorted()).toEqual([...COMMANDS].toSorted());
});
