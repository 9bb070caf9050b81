import { MAX_CHUNK_BYTES, MAX_PACKED_CHUNK_BYTES } from '../model/chunks.ts';

const HASH_BYTES = 32;

/** The inner loops of Xet's chunks as WebAssembly with vectors, in one memory: no bytes are copied between the steps. */
export interface ChunkKernel {
  /**
   * Unpacks one LZ4 frame to exactly `length` bytes, and takes their groups apart. The result is valid until the next call;
   * undefined if the frame is malformed.
   */
  unpack(packed: Uint8Array, length: number, isGrouped: boolean): Buffer | undefined;
  /** BLAKE3 of no more bytes than a packed chunk has, with a key of 32. What was just unpacked is hashed where it is. */
  hash(bytes: Uint8Array, key: Uint8Array): Uint8Array;
}

/** An address in the memory. */
interface Place {
  readonly value: number;
}

/** What scripts/chunk-kernel/chunk-kernel.as exports. */
interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly input: Place;
  readonly output: Place;
  readonly key: Place;
  readonly digest: Place;
  unpack(packed: number, length: number, isGrouped: boolean): number;
  hash(isOutput: boolean, length: number): number;
}

/** Of WebAssembly, which Node has without types for it. */
interface Compiler {
  validate(code: Uint8Array): boolean;
  instantiate(code: Uint8Array): Promise<{ readonly instance: { readonly exports: unknown } }>;
}

let loading: Promise<ChunkKernel | undefined> | undefined;

/** Loads it, once for each thread; undefined where the processor has no vectors that WebAssembly can use. */
export function loadChunkKernel(): Promise<ChunkKernel | undefined> {
  loading ??= load();
  return loading;
}

async function load(): Promise<ChunkKernel | undefined> {
  const { CHUNK_KERNEL_CODE } = await import('./chunk-kernel-code.ts');
  const code = Buffer.from(CHUNK_KERNEL_CODE, 'base64');
  const { WebAssembly: compiler } = globalThis as unknown as { readonly WebAssembly?: Compiler };
  if (compiler?.validate(code) !== true) return undefined;
  const { instance } = await compiler.instantiate(code);
  return kernelOf(instance.exports as Exports);
}

function kernelOf({ memory, unpack, hash, ...places }: Exports): ChunkKernel {
  // Its size is fixed, so the buffer stays.
  const all = Buffer.from(memory.buffer);
  const place = ({ value }: Place, bytes: number): Buffer => all.subarray(value, value + bytes);
  const input = place(places.input, MAX_PACKED_CHUNK_BYTES);
  const output = place(places.output, MAX_CHUNK_BYTES);
  const keyPlace = place(places.key, HASH_BYTES);
  const digest = place(places.digest, HASH_BYTES);
  return {
    unpack: (packed, length, isGrouped) => {
      if (packed.length > input.length) return undefined;
      input.set(packed);
      return unpack(packed.length, length, isGrouped) === 0 ? undefined : output.subarray(0, length);
    },
    hash: (bytes, key) => {
      keyPlace.set(key);
      const isOutput = bytes.buffer === all.buffer && bytes.byteOffset === output.byteOffset;
      if (!isOutput) input.set(bytes);
      hash(isOutput, bytes.length);
      return Uint8Array.from(digest);
    },
  };
}
