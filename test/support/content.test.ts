import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { bytes, type Content, generated, joined, onDisk, wholeContent } from './hub/content/content.ts';
import { gitSha1, pointerText, sha256 } from './hub/content/digest.ts';
import { safetensors } from './hub/fixtures/safetensors.ts';

const MIB = 1 << 20;

async function part(content: Content, start: number, end: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of content.read(start, end)) pieces.push(piece);
  return Buffer.concat(pieces);
}

describe('contents', () => {
  const directory = mkdtempSync(join(tmpdir(), 'hub-content-'));
  const path = join(directory, 'file.bin');
  writeFileSync(path, Buffer.from('some bytes on the disk'));
  const contents: [string, Content][] = [
    ['bytes', bytes('some bytes in memory')],
    ['generated', generated('seed', 9 * MIB)],
    ['on disk', onDisk(path)],
    ['joined', joined([bytes('head'), generated('body', 3 * MIB), bytes(''), bytes('tail')])],
  ];

  test.each(contents)(
    '%s: any part is the part of the whole, and the hashes are its own',
    async (_name, content) => {
      const whole = await wholeContent(content);
      expect(whole.length).toBe(content.size);
      for (const [start, end] of [
        [0, 0],
        [0, 1],
        [1, content.size - 1],
        [content.size - 1, content.size],
        [Math.floor(content.size / 3), Math.floor(content.size / 2)],
      ] as const) {
        expect((await part(content, start, end)).equals(whole.subarray(start, end))).toBe(true);
      }
      expect(await sha256(content)).toBe(createHash('sha256').update(whole).digest('hex'));
      const git = createHash('sha1').update(`blob ${whole.length}\0`).update(whole).digest('hex');
      expect(await gitSha1(content)).toBe(git);
    },
  );

  test('no two blocks of 1 MiB are alike', async () => {
    const whole = await wholeContent(generated('blocks', 64 * MIB));
    const hashes = new Set<string>();
    for (let at = 0; at < whole.length; at += MIB) {
      hashes.add(
        createHash('sha1')
          .update(whole.subarray(at, at + MIB))
          .digest('hex'),
      );
    }
    expect(hashes.size).toBe(64);
    rmSync(directory, { recursive: true });
  });

  test('vectors that git and sha256 are known by', async () => {
    expect(await gitSha1(bytes(''))).toBe('e69de29bb2d1d6434b8b29ae775ad8c2e48c5391');
    expect(await gitSha1(bytes('Hello, World!'))).toBe('b45ef6fec89518d314f546fd6c3025367b721684');
    expect(await sha256(bytes(''))).toMatch(/^e3b0c44298fc1c14/);
    expect(await pointerText(bytes(''))).toMatch(/^version .*\noid sha256:e3b0c442[0-9a-f]{56}\nsize 0\n$/);
  });

  test('a safetensors file has a header that covers all of it', async () => {
    const content = safetensors('tensors', 1_234_567);
    expect(content.size).toBe(1_234_567);
    const whole = await wholeContent(content);
    const length = Number(whole.readBigUInt64LE());
    const header = JSON.parse(whole.subarray(8, 8 + length).toString()) as Record<
      string,
      { data_offsets?: [number, number] }
    >;
    let at = 0;
    for (const { data_offsets: offsets } of Object.values(header)) {
      if (offsets === undefined) continue;
      expect(offsets[0]).toBe(at);
      at = offsets[1];
    }
    expect(8 + length + at).toBe(content.size);
  });
});
