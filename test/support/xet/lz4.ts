/** A small compressor of LZ4 frames, for stores that no official client has filled. One block, as Xet's chunks have. */

const MAGIC = Buffer.from([0x04, 0x22, 0x4d, 0x18]);
/** Version 1, blocks of their own, no checksums; blocks of up to 256 KiB; and the check byte of these two. */
const DESCRIPTOR = Buffer.from([0x60, 0x50, 0xfb]);
const MIN_MATCH = 4;
/** The last bytes of a block are literals. */
const TAIL = 12;

export function compressFrame(data: Buffer): Buffer {
  const block = compressBlock(data);
  const size = Buffer.alloc(4);
  const smaller = block.length < data.length;
  // The highest bit says that the block is as it was.
  size.writeUInt32LE(smaller ? block.length : (data.length | 0x80000000) >>> 0);
  return Buffer.concat([MAGIC, DESCRIPTOR, size, smaller ? block : data, Buffer.alloc(4)]);
}

function compressBlock(data: Buffer): Buffer {
  const out: number[] = [];
  const seen = new Map<number, number>();
  let literals = 0;
  for (let at = 0; at < data.length - TAIL; ) {
    const key = data.readUInt32LE(at);
    const before = seen.get(key);
    seen.set(key, at);
    if (before === undefined || at - before > 0xffff) {
      at += 1;
      continue;
    }
    let length = MIN_MATCH;
    while (at + length < data.length - 5 && data[before + length] === data[at + length]) length += 1;
    sequence(out, data.subarray(literals, at), { distance: at - before, length });
    at += length;
    literals = at;
  }
  sequence(out, data.subarray(literals), undefined);
  return Buffer.from(out);
}

function sequence(
  out: number[],
  literals: Buffer,
  match: { readonly distance: number; readonly length: number } | undefined,
): void {
  const extra = match === undefined ? 0 : match.length - MIN_MATCH;
  out.push((Math.min(literals.length, 15) << 4) | Math.min(extra, 15));
  if (literals.length >= 15) continued(out, literals.length - 15);
  for (const byte of literals) out.push(byte);
  if (match === undefined) return;
  out.push(match.distance & 0xff, match.distance >> 8);
  if (extra >= 15) continued(out, extra - 15);
}

function continued(out: number[], rest: number): void {
  let left = rest;
  for (; left >= 255; left -= 255) out.push(255);
  out.push(left);
}
