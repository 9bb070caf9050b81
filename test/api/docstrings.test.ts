import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const src = join(import.meta.dirname, '../../src');
const index = readFileSync(join(src, 'index.ts'), 'utf8');

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

test('what has none is noticed', () => {
  const text =
    '/** A. */\nexport interface A {\n  /** One. */\n  readonly one: number;\n  readonly two: string;\n}\n';
  expect(undocumented('A', text)).toEqual(['two']);
  expect(undocumented('A', text.replace('/** A. */\n', ''))).toEqual(['A', 'two']);
});

/** The name itself, and fields of an interface, that have no comment right above them. */
function undocumented(name: string, text: string): string[] {
  const lines = text.split('\n');
  const at = lines.findIndex((line) =>
    new RegExp(`^export (?:async )?(?:interface|type|class|function|const) ${name}\\b`).test(line),
  );
  expect(at, `the declaration of ${name}`).toBeGreaterThan(-1);
  const found = hasComment(lines, at) ? [] : [name];
  if (!/^export interface/.test(lines[at]!)) return found;
  for (let row = at + 1; lines[row] !== '}'; row += 1) {
    const [, field] = /^ {2}(?:readonly )?(\w+)\??[:(]/.exec(lines[row] ?? '') ?? [];
    if (field !== undefined && !hasComment(lines, row)) found.push(field);
  }
  return found;
}

function hasComment(lines: readonly string[], row: number): boolean {
  return lines[row - 1]?.trimEnd().endsWith('*/') === true;
}
