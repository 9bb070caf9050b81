import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { VERSION } from '../../../src/model/version.ts';

test('the version in the code is that of the package', () => {
  const path = join(import.meta.dirname, '../../../package.json');
  expect(VERSION).toBe((JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version);
});
