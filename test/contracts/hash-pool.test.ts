import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compiled } from '../support/compiled.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { hasherContract } from './hasher.contract.ts';

const module = new URL('hash/hash-pool.js', compiled()).href;
// Compiled, because its thread needs a compiled file beside it.
const { HashPool } = (await import(module)) as typeof import('../../src/hash/hash-pool.ts');

hasherContract('a hash thread', () => new HashPool());

test('does not keep a process alive of which nobody waits for a digest', () => {
  const path = join(temporaryFolder(), 'none');
  const program = `
    import { HashPool } from ${JSON.stringify(module)};
    const follower = new HashPool().follow(${JSON.stringify(path)}, 10, { git: false });
    follower.digests().catch((error) => console.log(error.code));
  `;
  const output = execFileSync(process.execPath, ['--input-type=module', '--eval', program], {
    timeout: 10_000,
  });
  expect(output.toString()).toBe('DISK\n');
});
