import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compiled } from '../support/compiled.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { hasherContract } from './hasher.contract.ts';

const module = new URL('verify/thread-hasher.js', compiled()).href;
// Compiled, because its thread needs a compiled file beside it.
const { ThreadHasher } = (await import(module)) as typeof import('../../src/verify/thread-hasher.ts');

hasherContract('a hash thread', () => new ThreadHasher());

test('does not keep a process alive of which nobody waits for a digest', () => {
  const path = join(temporaryFolder(), 'none');
  const program = `
    import { ThreadHasher } from ${JSON.stringify(module)};
    const follower = new ThreadHasher().follow(${JSON.stringify(path)}, 10, { git: false });
    follower.digests().catch((error) => console.log(error.code));
  `;
  const output = execFileSync(process.execPath, ['--input-type=module', '--eval', program], {
    timeout: 10_000,
  });
  expect(output.toString()).toBe('DISK\n');
});
