// The inner loops of Xet's chunks: LZ4 frames, groups of bytes, BLAKE3 with a key. AssemblyScript; `npm run kernel` compiles it to
// src/hash/chunk-kernel-code.ts, and writes the rounds of BLAKE3 out in the places marked with @. Its memory holds nothing but the
// buffers below, so hostile bytes reach nothing else.

/** Bytes of a chunk at most, packed and unpacked. */
const MAX_PACKED: usize = 262144;
const MAX_LENGTH: usize = 131072;
/** Copies go up to 15 bytes beyond their end: every buffer has them to spare. */
const SLACK: usize = 32;
/** What comes in, its bytes in groups, and what goes out. */
export const input: usize = memory.data(MAX_PACKED + SLACK, 16);
const grouped: usize = memory.data(MAX_LENGTH + SLACK, 16);
export const output: usize = memory.data(MAX_LENGTH + SLACK, 16);
/** The key of a hash, and the hash. */
export const key: usize = memory.data(32, 16);
export const digest: usize = memory.data(32, 16);

/** Little-endian bytes, 16 at a time; up to 15 bytes beyond the end are written. */
@inline
function copyWild(to: usize, from: usize, end: usize): void {
  do {
    v128.store(to, v128.load(from));
    to += 16;
    from += 16;
  } while (to < end);
}

/** Unpacks one block of LZ4 behind `base`..`to`: returns where its bytes end, or 0 if it is malformed. */
function unpackBlock(at: usize, end: usize, base: usize, to: usize, limit: usize): usize {
  while (at < end) {
    const token: u32 = load<u8>(at);
    at += 1;
    let literals: usize = token >> 4;
    if (literals == 15) {
      let more: u32 = 255;
      while (more == 255) {
        if (at >= end) return 0;
        more = load<u8>(at);
        at += 1;
        literals += more;
      }
    }
    if (literals > end - at || literals > limit - to) return 0;
    if (literals > 0) {
      copyWild(to, at, to + literals);
      at += literals;
      to += literals;
    }
    if (at == end) return to;
    if (end - at < 2) return 0;
    const offset: usize = load<u16>(at);
    at += 2;
    if (offset == 0 || offset > to - base) return 0;
    let length: usize = token & 15;
    if (length == 15) {
      let more: u32 = 255;
      while (more == 255) {
        if (at >= end) return 0;
        more = load<u8>(at);
        at += 1;
        length += more;
      }
    }
    length += 4;
    if (length > limit - to) return 0;
    const stop = to + length;
    let from = to - offset;
    if (offset >= 16) {
      copyWild(to, from, stop);
      to = stop;
    } else if (offset == 1) {
      memory.fill(to, load<u8>(from), length);
      to = stop;
    } else {
      while (to < stop) {
        store<u8>(to, load<u8>(from));
        to += 1;
        from += 1;
      }
    }
  }
  return 0;
}

/**
 * Unpacks the LZ4 frame in the first `packed` bytes of `input` to exactly `length` bytes of `output`. False if it is malformed,
 * or has more or fewer bytes. Checksums are skipped: the hash of the chunk tells more.
 */
export function unpack(packed: usize, length: usize, isGrouped: bool): bool {
  if (packed > MAX_PACKED || length > MAX_LENGTH) return false;
  if (!isGrouped) return unpackFrame(input, packed, output, length);
  if (!unpackFrame(input, packed, grouped, length)) return false;
  ungroup(length);
  return true;
}

function unpackFrame(at: usize, packed: usize, base: usize, length: usize): bool {
  const last = at + packed;
  const limit = base + length;
  if (packed < 11 || load<u32>(at) != 0x184d2204) return false;
  const flags: u32 = load<u8>(at + 4);
  if (flags >> 6 != 1 || (flags & 1) != 0) return false;
  at += 7 + ((flags & 8) == 0 ? 0 : 8);
  let to = base;
  for (;;) {
    if (at + 4 > last) return false;
    const header = load<u32>(at);
    at += 4;
    if (header == 0) break;
    const size: usize = header & 0x7fffffff;
    if (size > last - at) return false;
    const end = at + size;
    if (header >> 31 != 0) {
      if (size > limit - to) return false;
      memory.copy(to, at, size);
      to += size;
    } else {
      to = unpackBlock(at, end, base, to, limit);
      if (to == 0) return false;
    }
    at = end + ((flags & 16) == 0 ? 0 : 4);
  }
  if ((flags & 4) != 0) at += 4;
  return at == last && to == limit;
}

/** Byte i of the numbers stands in group i mod 4; the groups follow one another. */
function ungroup(length: usize): void {
  const target = output;
  const quarter = length >> 2;
  const rest = length & 3;
  const first = grouped;
  const second = first + quarter + (rest > 0 ? 1 : 0);
  const third = second + quarter + (rest > 1 ? 1 : 0);
  const fourth = third + quarter + (rest > 2 ? 1 : 0);
  let index: usize = 0;
  for (; index + 16 <= quarter; index += 16) {
    const a = v128.load(first + index);
    const b = v128.load(second + index);
    const c = v128.load(third + index);
    const d = v128.load(fourth + index);
    const abLow = v128.shuffle<u8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const abHigh = v128.shuffle<u8>(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    const cdLow = v128.shuffle<u8>(c, d, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const cdHigh = v128.shuffle<u8>(c, d, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    const to = target + index * 4;
    v128.store(to, v128.shuffle<u16>(abLow, cdLow, 0, 8, 1, 9, 2, 10, 3, 11));
    v128.store(to, v128.shuffle<u16>(abLow, cdLow, 4, 12, 5, 13, 6, 14, 7, 15), 16);
    v128.store(to, v128.shuffle<u16>(abHigh, cdHigh, 0, 8, 1, 9, 2, 10, 3, 11), 32);
    v128.store(to, v128.shuffle<u16>(abHigh, cdHigh, 4, 12, 5, 13, 6, 14, 7, 15), 48);
  }
  for (; index < quarter; index += 1) {
    const to = target + index * 4;
    store<u8>(to, load<u8>(first + index));
    store<u8>(to, load<u8>(second + index), 1);
    store<u8>(to, load<u8>(third + index), 2);
    store<u8>(to, load<u8>(fourth + index), 3);
  }
  const to = target + quarter * 4;
  if (rest > 0) store<u8>(to, load<u8>(first + quarter));
  if (rest > 1) store<u8>(to, load<u8>(second + quarter), 1);
  if (rest > 2) store<u8>(to, load<u8>(third + quarter), 2);
}

const BLOCK: usize = 64;
const LEAF: usize = 1024;
const CHUNK_START: u32 = 1;
const CHUNK_END: u32 = 2;
const PARENT: u32 = 4;
const ROOT: u32 = 8;
const KEYED: u32 = 16;

const IV0: u32 = 0x6a09e667;
const IV1: u32 = 0xbb67ae85;
const IV2: u32 = 0x3c6ef372;
const IV3: u32 = 0xa54ff53a;

/** Word i of four inputs, for each i. */
const WORDS: usize = memory.data(256, 16);
/** Values of the nodes of one level of the tree: of every leaf at first. */
const NODES: usize = memory.data((MAX_PACKED / LEAF) * 32, 16);
const NODE: usize = memory.data(32, 16);
const LAST_BLOCK: usize = memory.data(64, 16);

@inline
function rotate16(x: v128): v128 {
  return v128.shuffle<u8>(x, x, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
}
@inline
function rotate8(x: v128): v128 {
  return v128.shuffle<u8>(x, x, 1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12);
}
@inline
function rotate12(x: v128): v128 {
  return v128.or(i32x4.shr_u(x, 12), i32x4.shl(x, 20));
}
@inline
function rotate7(x: v128): v128 {
  return v128.or(i32x4.shr_u(x, 7), i32x4.shl(x, 25));
}
@inline
function word(index: usize): v128 {
  return v128.load(WORDS + index * 16);
}

/** Four words at each of four places become the same word of each, at four places with this distance. */
@inline
function transpose(a: usize, b: usize, c: usize, d: usize, to: usize, apart: usize): void {
  const va = v128.load(a);
  const vb = v128.load(b);
  const vc = v128.load(c);
  const vd = v128.load(d);
  const abLow = v128.shuffle<u32>(va, vb, 0, 4, 1, 5);
  const abHigh = v128.shuffle<u32>(va, vb, 2, 6, 3, 7);
  const cdLow = v128.shuffle<u32>(vc, vd, 0, 4, 1, 5);
  const cdHigh = v128.shuffle<u32>(vc, vd, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<u64>(abLow, cdLow, 0, 2));
  v128.store(to + apart, v128.shuffle<u64>(abLow, cdLow, 1, 3));
  v128.store(to + 2 * apart, v128.shuffle<u64>(abHigh, cdHigh, 0, 2));
  v128.store(to + 3 * apart, v128.shuffle<u64>(abHigh, cdHigh, 1, 3));
}

/** Of four inputs that are `apart` bytes from each other and have so many whole blocks: four values, one after the other. */
function hashFour(
  from: usize, apart: usize, blocks: u32, counter: u32, step: u32, flags: u32, first: u32, last: u32, out: usize,
): void {
  @each(8): let h# = v128.load32_splat(key, 4 * #);
  const counters = i32x4.add(i32x4.splat(counter), i32x4.mul(i32x4(0, 1, 2, 3), i32x4.splat(step)));
  for (let block: u32 = 0; block < blocks; block += 1) {
    for (let at: usize = 0; at < BLOCK; at += 16) {
      const a = from + block * 64 + at;
      transpose(a, a + apart, a + 2 * apart, a + 3 * apart, WORDS + 4 * at, 16);
    }
    const bits = flags | (block == 0 ? first : 0) | (block + 1 == blocks ? last : 0);
    @each(8): let v# = h#;
    let v8 = i32x4.splat(IV0), v9 = i32x4.splat(IV1), v10 = i32x4.splat(IV2), v11 = i32x4.splat(IV3);
    let v12 = counters, v13 = i32x4.splat(0), v14 = i32x4.splat(64), v15 = i32x4.splat(bits);
    @rounds(vectors)
    @each(8): h# = v128.xor(v#, v#+8);
  }
  @each(8): v128.store(WORDS, h#, 16 * #);
  for (let half: usize = 0; half < 2; half += 1) {
    const a = WORDS + 64 * half;
    transpose(a, a + 16, a + 32, a + 48, out + 16 * half, 32);
  }
}

/** One block into the value at `value`. */
function compressOne(value: usize, block: usize, counter: u32, length: u32, flags: u32): void {
  @each(8): let v# = load<u32>(value, 4 * #);
  let v8 = IV0, v9 = IV1, v10 = IV2, v11 = IV3, v12 = counter, v13: u32 = 0, v14 = length, v15 = flags;
  @rounds(words)
  @each(8): store<u32>(value, v# ^ v#+8, 4 * #);
}

/** Writes BLAKE3 of the first bytes of `input`, or of `output`, with `key` to `digest`. False if there are too many. */
export function hash(isOutput: bool, length: usize): bool {
  const from = isOutput ? output : input;
  if (length > (isOutput ? MAX_LENGTH : MAX_PACKED)) return false;
  if (length <= LEAF) {
    hashLeaf(from, length, 0, KEYED | ROOT, digest);
    return true;
  }
  let nodes = (length + LEAF - 1) / LEAF;
  hashLeaves(from, length, nodes);
  for (; nodes > 2; nodes = (nodes + 1) / 2) hashParents(nodes);
  copyKey(digest);
  compressOne(digest, NODES, 0, 64, KEYED | PARENT | ROOT);
  return true;
}

function hashLeaves(from: usize, length: usize, leaves: usize): void {
  let leaf: usize = 0;
  for (const full = length / LEAF; leaf + 4 <= full; leaf += 4)
    hashFour(from + leaf * LEAF, LEAF, 16, <u32>leaf, 1, KEYED, CHUNK_START, CHUNK_END, NODES + leaf * 32);
  for (; leaf < leaves; leaf += 1) {
    const left = length - leaf * LEAF;
    hashLeaf(from + leaf * LEAF, left < LEAF ? left : LEAF, <u32>leaf, KEYED, NODES + leaf * 32);
  }
}

/** Two neighbours make one node of the level above; one without a neighbour goes up as it is. */
function hashParents(nodes: usize): void {
  const pairs = nodes / 2;
  let pair: usize = 0;
  // Each result stands before what is still to be read.
  for (; pair + 4 <= pairs; pair += 4)
    hashFour(NODES + pair * 64, 64, 1, 0, 0, KEYED | PARENT, 0, 0, NODES + pair * 32);
  for (; pair < pairs; pair += 1) {
    copyKey(NODE);
    compressOne(NODE, NODES + pair * 64, 0, 64, KEYED | PARENT);
    memory.copy(NODES + pair * 32, NODE, 32);
  }
  if ((nodes & 1) != 0) memory.copy(NODES + pairs * 32, NODES + (nodes - 1) * 32, 32);
}

function copyKey(to: usize): void {
  v128.store(to, v128.load(key));
  v128.store(to, v128.load(key + 16), 16);
}

/** At most 1024 bytes, block after block. */
function hashLeaf(from: usize, length: usize, counter: u32, flags: u32, out: usize): void {
  copyKey(out);
  let first = CHUNK_START;
  while (length > BLOCK) {
    compressOne(out, from, counter, 64, (flags & ~ROOT) | first);
    first = 0;
    from += BLOCK;
    length -= BLOCK;
  }
  memory.fill(LAST_BLOCK, 0, BLOCK);
  memory.copy(LAST_BLOCK, from, length);
  compressOne(out, LAST_BLOCK, counter, <u32>length, flags | first | CHUNK_END);
}
