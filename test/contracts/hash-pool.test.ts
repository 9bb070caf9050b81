import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compiled } from '../support/compiled.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { hasherContract } from './hasher.contract.ts';

const module = new URL('hash/hash-pool.js', compiled()).href;
// Compiled, because its thread needs a compiled file beside it.
const { HashPool } = (await import(module)) as typeof import('../../src/hash/hash-pool.ts');

hasherContract('HashPool with one thread', () => new HashPool());
hasherContract('HashPool with many threads, and none for small files', () => new HashPool(8));
hasherContract('HashPool that leaves all to its threads', () => new HashPool(2, { inlineBytes: 0 }));

test('does not keep a process alive when no digest is awaited', () => {
  const path = join(temporaryFolder(), 'none');
  const program = `
    import { HashPool } from ${JSON.stringify(module)};
    const hash = new HashPool().follow(${JSON.stringify(path)}, 10, { git: false });
    hash.digests().catch((error) => console.log(error.code));
  `;
  const output = execFileSync(process.execPath, ['--input-type=module', '--eval', program], {
    timeout: 10_000,
  });
  expect(output.toString()).toBe('DISK\n');
});
