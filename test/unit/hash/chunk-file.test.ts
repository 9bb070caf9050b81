import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chunkFile as chunkFileHere } from '../../../src/hash/chunk-file.ts';
import { readChunks } from '../../../src/hash/chunk-session.ts';
import { compiled } from '../../support/compiled.ts';
import { random } from '../../support/xet/contents.ts';
import { FIXTURE_CONTENTS, type FixtureName, officialFixtures } from '../../support/xet/fixtures.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'chunks-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('the chunks of a local file', () => {
  test.each(Object.keys(FIXTURE_CONTENTS) as FixtureName[])(
    'have the Xet hash of the official client: %s',
    async (name) => {
      const path = join(directory, name);
      writeFileSync(path, FIXTURE_CONTENTS[name]);
      const { size, xetHash, chunks } = officialFixtures().files[name];
      let read = 0;
      const found = await readChunks({ path, size }, (bytes) => {
        read += bytes;
      });
      expect(found).toEqual({ xetHash, lengths: chunks.map(({ length }) => length) });
      expect(read).toBe(size);
    },
  );

  test('do not end where a read ends', async () => {
    const path = join(directory, 'long');
    writeFileSync(path, random(4, 3_500_000));
    const { lengths } = await readChunks({ path, size: 3_500_000 }, () => {});
    expect(lengths.reduce((sum, length) => sum + length, 0)).toBe(3_500_000);
    const ends = lengths.map((_, index) =>
      lengths.slice(0, index + 1).reduce((sum, length) => sum + length, 0),
    );
    expect(ends).not.toContain(1 << 20);
    expect(ends).not.toContain(2 << 20);
  });

  test('fail where the file is shorter than it was', async () => {
    const path = join(directory, 'short');
    writeFileSync(path, 'short');
    await expect(readChunks({ path, size: 6 }, () => {})).rejects.toThrow('ends at 5');
    await expect(readChunks({ path: join(directory, 'none'), size: 6 }, () => {})).rejects.toThrow('ENOENT');
  });
});

describe('in a thread', () => {
  const module = new URL('hash/chunk-file.js', compiled()).href;
  const load = async () => (await import(module)) as typeof import('../../../src/hash/chunk-file.ts');

  test('it says how far it is, and what it found', async () => {
    const { chunkFile } = await load();
    const path = join(directory, 'thread');
    const content = random(6, 2_000_000);
    writeFileSync(path, content);
    const steps: number[] = [];
    const signal = new AbortController().signal;
    const found = await chunkFile({ path, size: content.length }, signal, (bytes) => steps.push(bytes));
    expect(found).toEqual(await readChunks({ path, size: content.length }, () => {}));
    expect(steps.reduce((sum, bytes) => sum + bytes, 0)).toBe(content.length);
  });

  test('a file that is not there is an error of the disk', async () => {
    const { chunkFile } = await load();
    const path = join(directory, 'nowhere');
    await expect(chunkFile({ path, size: 5 }, new AbortController().signal)).rejects.toMatchObject({
      code: 'DISK',
      message: expect.stringContaining(path),
    });
  });

  test('it ends when it is aborted', async () => {
    const { chunkFile } = await load();
    const path = join(directory, 'aborted');
    writeFileSync(path, random(7, 3_000_000));
    const controller = new AbortController();
    const reason = new Error('enough');
    const running = chunkFile({ path, size: 3_000_000 }, controller.signal);
    controller.abort(reason);
    await expect(running).rejects.toBe(reason);
    // Without a thread: there is none beside the sources.
    await expect(chunkFileHere({ path, size: 3_000_000 }, controller.signal)).rejects.toBe(reason);
  });
});
