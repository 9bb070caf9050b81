import { existsSync, readFileSync } from 'node:fs';
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

test('every line of the security page names a test, and it is there', () => {
  expect(rows.length).toBeGreaterThan(20);
  for (const [what, so, last = ''] of rows) {
    expect(so?.length, what).toBeGreaterThan(10);
    const [, path = ''] = /^`(test\/[\w./-]+\.ts)`$/.exec(last) ?? [];
    expect(path, what).not.toBe('');
    expect(existsSync(join(root, path)), path).toBe(true);
  }
});
