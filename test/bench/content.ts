import { createCipheriv } from 'node:crypto';
import { open } from 'node:fs/promises';

const BLOCK = 4 << 20;

/** Writes a file of random bytes (AES in counter mode): no two blocks of it are alike, unlike those of a tile. */
export async function writeRandom(path: string, size: number, seed: number): Promise<void> {
  const key = Buffer.alloc(16, seed);
  const cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
  const zeros = Buffer.alloc(BLOCK);
  const file = await open(path, 'w');
  try {
    for (let at = 0; at < size; at += BLOCK) {
      await file.write(cipher.update(zeros.subarray(0, Math.min(BLOCK, size - at))));
    }
  } finally {
    await file.close();
  }
}
