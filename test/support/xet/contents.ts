/** Contents that depend on nothing but a seed: what weights look like to a compressor, and what they do not. */

/** Numbers of 32 bits; integers only, so that every machine makes the same. */
function randomIntegers(seed: number): () => number {
  let state = (Math.imul(seed, 2_654_435_761) ^ 0x9e3779b9) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
}

export function random(seed: number, bytes: number): Buffer {
  const next = randomIntegers(seed);
  const words = new Uint32Array(Math.ceil(bytes / 4));
  for (let at = 0; at < words.length; at += 1) words[at] = next();
  return Buffer.from(words.buffer, 0, bytes);
}

/** Around zero, most of them small, as weights are: a sum of uniform numbers. */
function weights(seed: number, count: number): Float32Array {
  const next = randomIntegers(seed);
  const values = new Float32Array(count);
  for (let at = 0; at < count; at += 1) {
    const sum = (next() >>> 12) + (next() >>> 12) + (next() >>> 12) + (next() >>> 12);
    values[at] = (sum - (1 << 21)) / (1 << 26);
  }
  return values;
}

/** The upper half of each number. */
export function bfloat16(seed: number, bytes: number): Buffer {
  const values = new Uint32Array(weights(seed, Math.ceil(bytes / 2)).buffer);
  const halves = new Uint16Array(values.length);
  for (let at = 0; at < values.length; at += 1) halves[at] = (values[at] ?? 0) >>> 16;
  return Buffer.from(halves.buffer, 0, bytes);
}

/** Numbers of 32 bits that have half the precision, so that the lower bytes repeat: BG4 pays there. */
export function float32(seed: number, bytes: number): Buffer {
  const values = new Uint32Array(weights(seed, Math.ceil(bytes / 4)).buffer);
  for (let at = 0; at < values.length; at += 1) values[at] = (values[at] ?? 0) & 0xfffff000;
  return Buffer.from(values.buffer, 0, bytes);
}

/** Versions of one file of tensors. Sizes are bytes. */
export interface VersionsShape {
  readonly tensors: number;
  readonly tensorBytes: number;
  /** Of the tensor that is another one in B and has other low bits in C. */
  readonly changed: number;
}

export interface Versions {
  readonly a: Buffer;
  /** The header has grown by 337 bytes, and one tensor is another one. */
  readonly b: Buffer;
  /** Three of ten numbers of one tensor have another lowest bit. */
  readonly c: Buffer;
}

export function versions({ tensors, tensorBytes, changed }: VersionsShape): Versions {
  const all = Array.from({ length: tensors }, (_, index) => bfloat16(100 + index, tensorBytes));
  const withTensor = (tensor: Buffer): Buffer[] =>
    all.map((was, index) => (index === changed ? tensor : was));
  return {
    a: Buffer.concat([header(1800), ...all]),
    b: Buffer.concat([header(1800 + 337), ...withTensor(bfloat16(900, tensorBytes))]),
    c: Buffer.concat([header(1800), ...withTensor(otherLowBits(all[changed] ?? Buffer.alloc(0)))]),
  };
}

function header(length: number): Buffer {
  return Buffer.from(
    Array.from({ length }, (_, index) => `{"w.${index}":${index * 7919}}`)
      .join('')
      .slice(0, length),
  );
}

function otherLowBits(tensor: Buffer): Buffer {
  const changed = Buffer.from(tensor);
  const next = randomIntegers(77);
  for (let at = 0; at < changed.length; at += 2) {
    if (next() % 10 < 3) changed[at] = (changed[at] ?? 0) ^ 1;
  }
  return changed;
}
