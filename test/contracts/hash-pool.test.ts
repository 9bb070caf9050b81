import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { compiled } from '../support/compiled.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { hasherContract } from './hasher.contract.ts';

const module = new URL('hash/hash-pool.js', compiled()).href;
// Compiled, because its thread needs a compiled file beside it.
const { HashPool } = (await import(module)) as typeof import('../../src/hash/hash-pool.ts');

hasherContract('HashPool with one thread', () => new HashPool());
hasherContract('HashPool with many threads, and none for small files', () => new HashPool(8));
hasherContract('HashPool that leaves all to its threads', () => new HashPool(2, { inlineBytes: 0 }));
hasherContract('HashPool with four threads side by side', () => new HashPool(1, { followers: 4 }));

describe('files under way', () => {
  const SIZE = 80 * 1024 * 1024;

  /** Zeros that take no room on the disk. */
  function bigFile(): string {
    const path = join(temporaryDirectory(), 'big');
    writeFileSync(path, '');
    truncateSync(path, SIZE);
    return path;
  }

  /** The digest of so many zeros. */
  function expected(): string {
    const hash = createHash('sha256');
    for (let done = 0; done < SIZE; done += 1 << 20) hash.update(Buffer.alloc(1 << 20));
    return hash.digest('hex');
  }

  test.each([
    [1, 1],
    [3, 3],
    [8, 4],
  ])('with %i threads at most, four at once: %i threads', async (followers, threads) => {
    const path = bigFile();
    const right = expected();
    await using pool = new HashPool(1, { followers });
    const hashes = [1, 2, 3, 4].map(() => pool.follow(path, SIZE, { git: false }));
    // No thread can have hashed so much before the next file asks for one.
    for (const hash of hashes) hash.advance(SIZE);
    expect(pool.threads).toBe(threads);
    for (const hash of hashes) expect((await hash.digests()).sha256).toBe(right);
    for (const hash of hashes) hash.close();
    // No thread is behind any more.
    const next = pool.follow(path, SIZE, { git: false });
    next.advance(SIZE);
    expect(pool.threads).toBe(threads);
    expect((await next.digests()).sha256).toBe(right);
    next.close();
  });

  test('take turns in one thread on up to seven processors, as long as none is behind', async () => {
    await using pool = new HashPool(7);
    const hashes = [1, 2, 3].map(() => pool.follow(bigFile(), SIZE, { git: false }));
    for (const hash of hashes) hash.advance(SIZE);
    expect(pool.threads).toBe(1);
    await Promise.all(hashes.map((hash) => hash.digests()));
  });
});

test('does not keep a process alive when no digest is awaited', () => {
  const path = join(temporaryDirectory(), 'none');
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
