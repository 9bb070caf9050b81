// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the made-up sources hold templates.
import { readdirSync, readFileSync } from 'node:fs';
import { join, posix, relative, sep } from 'node:path';
import { describe, expect, test } from 'vitest';
import { arrows, circles, violations } from './support/architecture.ts';
import { readSource } from './support/source-text.ts';

const root = join(import.meta.dirname, '..');
const src = join(root, 'src');
/** Those with a line in README.md that says what they save; test/packaging/package.test.ts compares it with what is bundled. */
const [, table = ''] = readFileSync(join(root, 'README.md'), 'utf8').split('\n## What it depends on\n');
const packages = Array.from(table.matchAll(/^\| `([^`]+)` \|/gm), ([, name = '']) => name);

const files = readdirSync(src, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
  .map((entry) => relative(src, join(entry.parentPath, entry.name)).split(sep).join('/'))
  .sort();

describe('the source', () => {
  test('is found', () => {
    expect(files).toContain('model/repo.ts');
  });

  test.each(files)('%s keeps to the architecture', (path) => {
    expect(violations(path, readFileSync(join(src, path), 'utf8'), packages)).toEqual([]);
  });
});

describe('the whole', () => {
  const graph = new Map(
    files.map((path) => {
      const { specifiers } = readSource(readFileSync(join(src, path), 'utf8'));
      const local = specifiers.filter((specifier) => specifier?.startsWith('.') === true);
      return [path, local.map((specifier) => posix.join(posix.dirname(path), specifier!))];
    }),
  );

  test('has no circle of imports, not even of types', () => {
    expect(circles(graph)).toEqual([]);
  });

  test('has at most 50 arrows between rooms', () => {
    expect(arrows(graph).length, arrows(graph).join(', ')).toBeLessThanOrEqual(50);
  });
});

describe('the check', () => {
  test('sees a circle, and files that only look like one', () => {
    const graph = (edges: Record<string, string[]>) => new Map(Object.entries(edges));
    expect(circles(graph({ a: ['b'], b: ['c'], c: ['a'], d: ['a'] }))).toEqual([['a', 'b', 'c']]);
    expect(circles(graph({ a: ['b', 'c'], b: ['d'], c: ['d'], d: [] }))).toEqual([]);
    expect(circles(graph({ a: ['a'] }))).toEqual([['a']]);
  });

  test('counts arrows between rooms, and none inside of one', () => {
    const graph = new Map([
      ['http/a.ts', ['model/b.ts', 'http/c.ts']],
      ['http/c.ts', ['model/d.ts']],
      ['index.ts', ['http/a.ts']],
    ]);
    expect(arrows(graph)).toEqual(['http → model', 'index.ts → http']);
  });

  const imports = (...specifiers: string[]) =>
    specifiers.map((specifier) => `import { x } from '${specifier}';`).join('\n');

  test.each([
    ['model/a.ts', '../system/clock.ts'],
    ['model/a.ts', 'node:path'],
    ['system/a.ts', '../http/request.ts'],
    ['http/a.ts', '../source/source.ts'],
    ['http/a.ts', '@huggingface/hub'],
    ['source/source.ts', '../http/request.ts'],
    ['source/source.ts', './hub/hub-source.ts'],
    ['source/location.ts', './open-source.ts'],
    ['source/hub/a.ts', '../open-source.ts'],
    ['source/hub/a.ts', '../ollama/b.ts'],
    ['source/hub/a.ts', '../../plan/patterns.ts'],
    ['plan/a.ts', '../store/store.ts'],
    ['plan/a.ts', 'node:fs'],
    ['transfer/a.ts', '../store/paths/safe-path.ts'],
    ['transfer/a.ts', '../source/hub/hub-source.ts'],
    ['transfer/a.ts', '../operations/lock.ts'],
    ['transfer/a.ts', '../report/bar-reporter.ts'],
    ['store/a.ts', '../http/request.ts'],
    ['store/directory/a.ts', '../../hash/hasher.ts'],
    ['store/hub-cache/a.ts', '../directory/b.ts'],
    ['store/records/a.ts', '../directory/b.ts'],
    ['store/store.ts', './directory/b.ts'],
    ['hash/a.ts', '../http/range.ts'],
    ['branches/a.ts', '../source/hub/hub-source.ts'],
    ['report/a.ts', '../transfer/queue.ts'],
    ['report/a.ts', 'cli-progress'],
    ['report/a.ts', 'commander'],
    ['report/a.ts', '../cli/main.ts'],
    ['index.ts', './cli/main.ts'],
    ['store/a.ts', '../index.ts'],
    ['operations/a.ts', '../report/b.ts'],
    ['operations/a.ts', '../store/directory/b.ts'],
    ['operations/a.ts', '../store/hub-cache/b.ts'],
    ['report/progress/a.ts', '../../operations/b.ts'],
    ['store/a.ts', 'node:process'],
    ['store/a.ts', 'process'],
    ['store/a.ts', 'left-pad'],
    ['store/a.ts', './store'],
    ['store/a.ts', '../../test/support/hub.ts'],
  ])('%s must not import %s', (path, specifier) => {
    expect(violations(path, imports(specifier), packages)).toHaveLength(1);
  });

  test.each([
    ['model/a.ts', './b.ts'],
    ['system/a.ts', '../model/b.ts'],
    ['http/a.ts', 'node:https'],
    ['source/source.ts', '../model/b.ts'],
    ['source/hub/a.ts', '../source.ts'],
    ['source/hub/a.ts', '../location.ts'],
    ['source/source.ts', './location.ts'],
    ['source/open-source.ts', './hub/hub-source.ts'],
    ['source/open-source.ts', '../http/client.ts'],
    ['source/hub/a.ts', './deep/b.ts'],
    ['source/hub/deep/a.ts', '../b.ts'],
    ['source/hub/a.ts', '../../http/b.ts'],
    ['source/hub/a.ts', '@huggingface/hub'],
    ['transfer/a.ts', '../source/source.ts'],
    ['transfer/a.ts', '../store/store.ts'],
    ['transfer/a.ts', 'p-limit'],
    ['store/directory/a.ts', '../store.ts'],
    ['hash/a.ts', '../system/clock.ts'],
    ['branches/a.ts', '../source/source.ts'],
    ['report/progress/bar-reporter.ts', 'cli-progress'],
    ['cli/a.ts', '../source/hub/b.ts'],
    ['cli/a.ts', 'commander'],
    ['cli/a.ts', 'node:process'],
    ['index.ts', './transfer/run.ts'],
    ['operations/a.ts', '../store/open-store.ts'],
    ['operations/a.ts', '../store/records/b.ts'],
  ])('%s may import %s', (path, specifier) => {
    expect(violations(path, imports(specifier), packages)).toEqual([]);
  });

  test.each([
    ["import '../http/a.ts';"],
    ["import type { A } from '../http/a.ts';"],
    ['import x, { type A,\n  b } from "../http/a.ts";'],
    ["import * as all from '../http/a.ts';"],
    ["export { a } from '../http/a.ts';"],
    ["export * from '../http/a.ts';"],
    ["const a = await import('../http/a.ts');"],
    ['const a = await import(`../http/a.ts`);'],
    ["type A = import('../http/a.ts').A;"],
    ["const a = `${await import('../http/a.ts')}`;"],
    ["new Worker(new URL('../http/a.ts', import.meta.url));"],
    ["new Worker(new URL('../http/a.js', import.meta.url));"],
    ['const a = await import(name);'],
    ['const a = await import(`../${name}.ts`);'],
    ["const a = require('../http/a.ts');"],
    ["const pattern = /['\"`]/; import '../http/a.ts';"],
    ["const half = a / 2; import '../http/a.ts'; const b = a / 2;"],
  ])('sees %s', (text) => {
    expect(violations('model/a.ts', text, packages)).toHaveLength(1);
  });

  test.each([
    ["// import '../http/a.ts'"],
    ["/* import '../http/a.ts' */"],
    ['const text = "import \'../http/a.ts\'";'],
    ["const text = `import '../http/a.ts' ${value} from '../http/a.ts'`;"],
    ["export const text = 'a'; const from = 'b';"],
    ["const text = new URL('../../package.json', import.meta.url);"],
    ["const slash = '/* '; const other = ' */';"],
  ])('is not misled by %s', (text) => {
    expect(violations('model/a.ts', text, packages)).toEqual([]);
  });

  test.each([
    ['export default function a() {}', 'a default export'],
    ['const a = 1; export { a as default };', 'a default export'],
    ['if (process.env.HOME) {}', 'uses process'],
    ['const { env } = process;', 'uses process'],
    ['globalThis.process.exit(1);', 'uses process'],
    ['const all = { ...process };', 'uses process'],
    ['const it = own ? process : other;', 'uses process'],
    ["export { default } from './b.ts';", 'a default export'],
    ['`${process.cwd()}`', 'uses process'],
    ['\n'.repeat(401), '401 lines'],
  ])('sees %j', (text, expected) => {
    expect(violations('store/a.ts', text, packages)).toEqual([expected]);
  });

  test.each([
    'queue.process(item);',
    '// process.env',
    "const text = 'process';",
    'const options: { process: number; process?: string } = value;',
    'const processed = preprocess(childProcess);',
    `${'\n'.repeat(299)}x\n`,
  ])('lets %j pass', (text) => {
    expect(violations('store/a.ts', text, packages)).toEqual([]);
  });

  test('sees misplaced files, and lets cli use process', () => {
    expect(violations('store/index.ts', '', packages)).toEqual(['a barrel inside a room']);
    expect(violations('store/utils/a.ts', '', packages)).toEqual(['a directory called utils']);
    expect(violations('helpers/a.ts', '', packages)).toEqual(['helpers is not a room']);
    expect(violations('index.ts', '', packages)).toEqual([]);
    expect(violations('cli/a.ts', 'process.exitCode = 2;', packages)).toEqual([]);
    expect(violations('operations/create-environment.ts', 'process.pid;', packages)).toEqual([]);
    expect(violations('operations/a.ts', 'process.pid;', packages)).toEqual(['uses process']);
  });

  test('reads nested templates to their end', () => {
    const { code, specifiers } = readSource("const a = `x${b({ c: `y${d}z` })}w`; import './e.ts';");
    expect(code).toBe("const a = `${b({ c: `${d}` })}`; import '';");
    expect(specifiers).toEqual(['./e.ts']);
  });
});
