/** First bytes of a frame, little-endian. */
const MAGIC = 0x184d2204;
const MIN_MATCH = 4;
/** Flags in the first byte of the descriptor. */
const DICTIONARY = 0x01;
const CONTENT_CHECKSUM = 0x04;
const CONTENT_SIZE = 0x08;
const BLOCK_CHECKSUM = 0x10;
/** Set in the length of a block that is not compressed. */
const STORED = 0x80000000;

/**
 * Unpacks one LZ4 frame, which must fill `packed`, to exactly the bytes of `target`. False if it is malformed, or has
 * more or fewer bytes; what `target` holds then means nothing. Checksums are skipped: the hash of the chunk tells more.
 */
export function unpackLz4Frame(packed: Uint8Array, target: Uint8Array): boolean {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  // Magic, flags, block size, checksum of these, and the end mark.
  if (packed.length < 11 || view.getUint32(0, true) !== MAGIC) return false;
  const flags = packed[4]!;
  if (flags >> 6 !== 1 || (flags & DICTIONARY) !== 0) return false;
  let at = 7 + ((flags & CONTENT_SIZE) === 0 ? 0 : 8);
  let filled = 0;
  for (;;) {
    if (at + 4 > packed.length) return false;
    const header = view.getUint32(at, true);
    at += 4;
    if (header === 0) break;
    const end = at + (header & ~STORED);
    if (end > packed.length) return false;
    if (header >= STORED) {
      if (filled + end - at > target.length) return false;
      target.set(packed.subarray(at, end), filled);
      filled += end - at;
    } else {
      // Matches may reach back into blocks before.
      filled = unpackBlock(packed, at, end, target, filled);
      if (filled < 0) return false;
    }
    at = end + ((flags & BLOCK_CHECKSUM) === 0 ? 0 : 4);
  }
  if ((flags & CONTENT_CHECKSUM) !== 0) at += 4;
  return at === packed.length && filled === target.length;
}

/** Unpacks one block behind the `filled` bytes of `target`; returns how many are filled then, -1 if it is malformed. */
function unpackBlock(
  packed: Uint8Array,
  from: number,
  end: number,
  target: Uint8Array,
  filled: number,
): number {
  let at = from;
  let to = filled;
  while (at < end) {
    const token = packed[at]!;
    at += 1;
    let literals = token >> 4;
    if (literals === 15) {
      let more = 255;
      while (more === 255) {
        if (at >= end) return -1;
        more = packed[at]!;
        at += 1;
        literals += more;
      }
    }
    if (at + literals > end || to + literals > target.length) return -1;
    if (literals > 24) {
      target.set(packed.subarray(at, at + literals), to);
      at += literals;
      to += literals;
    } else {
      for (const stop = at + literals; at < stop; at += 1, to += 1) target[to] = packed[at]!;
    }
    // The last sequence has no match.
    if (at === end) return to;
    if (at + 2 > end) return -1;
    const offset = packed[at]! | (packed[at + 1]! << 8);
    at += 2;
    if (offset === 0 || offset > to) return -1;
    let length = token & 15;
    if (length === 15) {
      let more = 255;
      while (more === 255) {
        if (at >= end) return -1;
        more = packed[at]!;
        at += 1;
        length += more;
      }
    }
    length += MIN_MATCH;
    if (to + length > target.length) return -1;
    if (offset === 1) {
      target.fill(target[to - 1]!, to, to + length);
      to += length;
    } else if (length > 32 && offset >= length) {
      target.copyWithin(to, to - offset, to - offset + length);
      to += length;
    } else {
      for (const stop = to + length; to < stop; to += 1) target[to] = target[to - offset]!;
    }
  }
  // A block ends with literals.
  return -1;
}
