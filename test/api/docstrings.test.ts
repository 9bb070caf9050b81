import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const src = join(import.meta.dirname, '../../src');
const index = readFileSync(join(src, 'index.ts'), 'utf8');
const page = readFileSync(join(src, '../docs/library.md'), 'utf8');
/** Documented field by field in docs/output.md, which docs/library.md refers to. */
const IN_OUTPUT: ReadonlySet<string> = new Set(['BranchRow', 'Conflict', 'FactTypes', 'FormatShare']);
const output = readFileSync(join(src, '../docs/output.md'), 'utf8');

/** Every exported name with the text of the file that declares it. */
const exported = Array.from(index.matchAll(/^export (?:type )?\{([^}]+)\} from '([^']+)'/gm)).flatMap(
  ([, list = '', path = '']) => {
    const text = readFileSync(join(src, path), 'utf8');
    return list
      .split(',')
      .map((name) => name.trim().replace(/^type /, ''))
      .filter((name) => name !== '')
      .map((name) => [name, text] as const);
  },
);

test('there are exports', () => expect(exported.length).toBeGreaterThan(40));

test.each(exported)('%s has a docstring, and each of its fields', (name, text) => {
  expect(undocumented(name, text)).toEqual([]);
});

test.each(exported)('each field of %s is in the documents', (name, text) => {
  const document = IN_OUTPUT.has(name) ? output : page;
  const missing = fieldsOf(name, text).filter(({ field }) => !names(document, field));
  expect(missing.map(({ field }) => field)).toEqual([]);
});

test('a field that no document names is noticed', () => {
  expect(names('`size` (bytes)', 'size')).toBe(true);
  expect(names('its size, `sizes`', 'size')).toBe(false);
  expect(names('`kind`: `file` (`path` and `offset`), `planned(files, bytes)`', 'planned')).toBe(true);
});

test('what has none is noticed', () => {
  const text =
    '/** A. */\nexport interface A {\n  /** One. */\n  readonly one: number;\n  readonly two: string;\n}\n';
  expect(undocumented('A', text)).toEqual(['two']);
  expect(undocumented('A', text.replace('/** A. */\n', ''))).toEqual(['A', 'two']);
});

/** The name itself, and fields of an interface, that have no comment right above them. */
function undocumented(name: string, text: string): string[] {
  const lines = text.split('\n');
  const found = hasComment(lines, declarationOf(name, lines)) ? [] : [name];
  const fields = fieldsOf(name, text).filter(({ row }) => !hasComment(lines, row));
  return [...found, ...fields.map(({ field }) => field)];
}

/** The fields of an interface, and their lines; none of any other declaration. */
function fieldsOf(name: string, text: string): { readonly field: string; readonly row: number }[] {
  const lines = text.split('\n');
  const at = declarationOf(name, lines);
  if (!/^export interface/.test(lines[at]!)) return [];
  const fields: { field: string; row: number }[] = [];
  for (let row = at + 1; lines[row] !== '}'; row += 1) {
    const [, field] = /^ {2}(?:readonly )?(\w+)\??[:(]/.exec(lines[row] ?? '') ?? [];
    if (field !== undefined) fields.push({ field, row });
  }
  return fields;
}

function declarationOf(name: string, lines: readonly string[]): number {
  const at = lines.findIndex((line) =>
    new RegExp(`^export (?:async )?(?:interface|type|class|function|const) ${name}\\b`).test(line),
  );
  expect(at, `the declaration of ${name}`).toBeGreaterThan(-1);
  return at;
}

/** Whether a document has the name as code. */
function names(document: string, field: string): boolean {
  return new RegExp(`\`${field}[\`(]`).test(document);
}

function hasComment(lines: readonly string[], row: number): boolean {
  return lines[row - 1]?.trimEnd().endsWith('*/') === true;
}
