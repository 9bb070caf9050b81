import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'SECURITY.md'), 'utf8');

/** Rows of all tables, without their heads. */
const rows = page
  .split('\n')
  .filter((line) => line.startsWith('| '))
  .map((line) => line.split('|').slice(1, -1))
  .map((cells) => cells.map((cell) => cell.trim()))
  .filter(([, , last]) => last !== 'test');

/** Titles of tests and of groups of them that are run wherever the system allows, not those that are switched off. */
function titlesIn(path: string): Set<string> {
  const text = readFileSync(join(root, path), 'utf8');
  const calls = text.matchAll(
    /\b(test|describe|coping)((?:\.\w+(?:<[^>]*>)?(?:\([^)]*\))?)*)\(\s*(['"`])((?:\\.|(?!\3).)*)\3/gs,
  );
  // Behind a table comes the title in parentheses of its own.
  const tables = text.matchAll(/\]\s*(?:as const)?,?\s*\)\(\s*(['"`])((?:\\.|(?!\1).)*)\1/gs);
  return new Set([
    ...Array.from(calls)
      .filter(([, , how = '']) => !/\.(skip|todo|only)\b(?!If)/.test(how))
      .map(([, , , , title = '']) => title),
    ...Array.from(tables, ([, , title = '']) => title),
  ]);
}

test('every line of the security page names a file and the title of a test in it, and both are there', () => {
  expect(rows.length).toBeGreaterThan(25);
  const known = new Map<string, Set<string>>();
  for (const [what, so, last = ''] of rows) {
    expect(so?.length, what).toBeGreaterThan(7);
    const [, path = '', title = ''] = /^`(test\/[\w./-]+\.ts)`: (.+)$/.exec(last) ?? [];
    expect(path, what).not.toBe('');
    const titles = known.get(path) ?? titlesIn(path);
    known.set(path, titles);
    expect([...titles], `${what}: ${path}`).toContain(title);
  }
});

test('a test that is switched off proves nothing', () => {
  // Parsed like any other: it is this file's own text that is looked at.
  expect([...titlesIn('test/security/security-page.test.ts')]).toContain(
    'a test that is switched off proves nothing',
  );
  for (const path of new Set(rows.map(([, , last = '']) => /`(.+?)`/.exec(last)?.[1] ?? ''))) {
    expect(readFileSync(join(root, path), 'utf8'), path).not.toMatch(/\b(test|describe)\.(skip|todo|only)\(/);
  }
});
