import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { writeAtomically } from '../../../../src/system/disk/write-atomically.ts';

async function directory(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'fetch-test-'));
  onTestFinished(() => rm(made, { recursive: true }));
  return made;
}

test('two runs that are blind to each other both end well, and one of the two contents stands there', async () => {
  const place = await directory();
  const path = join(place, 'manifest.json');
  for (let round = 0; round < 100; round += 1) {
    const contents = ['a'.repeat(5000), 'b'.repeat(70_000)];
    await Promise.all(contents.map((content) => writeAtomically(path, content)));
    expect(contents).toContain(await readFile(path, 'utf8'));
  }
  expect(await readdir(place)).toEqual(['manifest.json']);
});

test('a directory that is not there is not waited for', async () => {
  const path = join(await directory(), 'none', 'manifest.json');
  await expect(writeAtomically(path, 'x')).rejects.toMatchObject({ code: 'ENOENT' });
});
