import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Run, Workspace } from '../../support/run-program.ts';

const GIB = 1024 ** 3;
const COMMIT = 'a'.repeat(40);
const ID = 'tests/huge';

interface Entry {
  readonly path: string;
  readonly size: number;
  readonly oid: string;
}

let workspace: Workspace;
beforeEach(async () => {
  // No request: everything is on record.
  workspace = await Workspace.open({ endpoint: 'http://127.0.0.1:9' });
});
afterEach(() => workspace[Symbol.asyncDispose]());

/** A directory whose records are those of version 0.1.0: what it holds was not hashed by this one. */
function recorded(name: string, entries: readonly Entry[]): string {
  const directory = workspace.path(name);
  mkdirSync(join(directory, '.cache/fetch'), { recursive: true });
  const files = entries.map((entry) => ({ ...entry, sha256: 'b'.repeat(64) }));
  const about = { version: 1, endpoint: 'http://127.0.0.1:9', repo: { type: 'model', id: ID } };
  const manifest = { ...about, revision: 'main', commit: COMMIT, files };
  writeFileSync(join(directory, '.cache/fetch/manifest.json'), JSON.stringify(manifest));
  const listing = entries.map(({ path, size, oid }) => [path, size, oid]);
  writeFileSync(
    join(directory, '.cache/fetch/listing.json'),
    JSON.stringify({ version: 1, commit: COMMIT, listing, left: [] }),
  );
  return directory;
}

/** A hole takes no room on the disk, and as long to read as any file: a minute and more. */
function hole(path: string, size: number): void {
  writeFileSync(path, '');
  truncateSync(path, size);
}

/** It ends in order, by the signal, and leaves no lock: long before it would have been through with the disk. */
function expectInterrupted(run: Run, directory: string): void {
  expect(run).toMatchObject({ exit: 130, stdout: '' });
  expect(readdirSync(join(directory, '.cache/fetch'))).not.toContain('lock');
}

const huge: Entry = { path: 'model.bin', size: 200 * GIB, oid: 'b'.repeat(64) };

describe('SIGINT is answered while', () => {
  test('a file that stands there is read, and nothing of it is called kept', async () => {
    const directory = recorded('huge', [huge]);
    hole(join(directory, huge.path), huge.size);
    const program = workspace.start([ID, '--local-dir', directory, '--offline']);
    await program.until('it is being read', () => program.stderr.includes('into'));
    program.kill('SIGINT');
    const run = await program.ended;
    expectInterrupted(run, directory);
    expect(run.stderr).not.toContain('kept');
    expect(run.stderr).not.toContain('differs');
  });

  test('several are read', async () => {
    const entries = Array.from({ length: 5 }, (_, index) => ({ ...huge, path: `${index}.bin` }));
    const directory = recorded('huge', entries);
    for (const { path, size } of entries) hole(join(directory, path), size);
    const program = workspace.start([ID, '--local-dir', directory, '--offline']);
    await program.until('they are being read', () => program.stderr.includes('into'));
    program.kill('SIGINT');
    expectInterrupted(await program.ended, directory);
  });

  test('a file is verified with --quick', async () => {
    const directory = recorded('huge', [huge]);
    hole(join(directory, huge.path), huge.size);
    const program = workspace.start(['verify', directory, '--quick']);
    await program.until('it is being read', () => program.stderr.includes(' read, '));
    program.kill('SIGINT');
    expect((await program.ended).exit).toBe(130);
  });

  test('a file is copied from elsewhere on the disk, and what was copied is not copied again', async () => {
    const size = 6 * GIB;
    const localCopy = recorded('localCopy', [{ ...huge, size }]);
    hole(join(localCopy, huge.path), size);
    const directory = recorded('target', [{ ...huge, size }]);
    const words = [ID, '--local-dir', directory, '--reuse', localCopy, '--offline', '--ignore-space'];
    const program = workspace.start(words);
    const parts = join(directory, '.cache/fetch/parts');
    const copied = () => readNames(parts).reduce((sum, name) => sum + sizeOf(join(parts, name)), 0);
    await program.until('it is being copied', () => copied() > 64 * 1024 ** 2);
    program.kill('SIGINT');
    expectInterrupted(await program.ended, directory);
    const plan = await workspace.run([...words, '--dry-run', '--json']);
    const { totals } = JSON.parse(plan.stdout) as { totals: { held: number; fetch: number; reuse: number } };
    expect(totals.held).toBeGreaterThan(0);
    expect(totals).toMatchObject({ fetch: 0, reuse: size - totals.held });
  });

  test('tens of thousands of files are looked at, whenever it comes', async () => {
    const oid = createHash('sha1').update('blob 1\0x').digest('hex');
    const entries = Array.from({ length: 30_000 }, (_, index) => ({
      path: `${index % 300}/${index}`,
      size: 1,
      oid,
    }));
    const directory = recorded('many', entries);
    for (let root = 0; root < 300; root += 1) mkdirSync(join(directory, String(root)));
    for (const { path } of entries) writeFileSync(join(directory, path), 'x');
    for (const delayMs of [0, 200]) {
      const program = workspace.start([ID, '--local-dir', directory, '--offline', '--verbose']);
      await program.until('it has begun', () => program.stderr.includes('main at'));
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      program.kill('SIGINT');
      expect((await program.ended).exit).toBe(130);
    }
  });
});

function readNames(root: string): string[] {
  try {
    return readdirSync(root);
  } catch {
    return [];
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
