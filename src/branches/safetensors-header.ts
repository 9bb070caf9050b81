import { isRecord, type JsonRecord } from '../model/json.ts';
import { parseRecord } from './json.ts';

/** The limit of the format, which every reader enforces. */
export const MAX_HEADER_BYTES = 25_000_000;
const MAX_TENSORS = 1_000_000;
/** Bits of one element. */
export const ELEMENT_BITS: ReadonlyMap<string, number> = new Map(
  Object.entries({
    F64: 64,
    I64: 64,
    U64: 64,
    F32: 32,
    I32: 32,
    U32: 32,
    F16: 16,
    BF16: 16,
    I16: 16,
    U16: 16,
    I8: 8,
    U8: 8,
    BOOL: 8,
    F8_E4M3: 8,
    F8_E5M2: 8,
    F8_E8M0: 8,
    F4: 4,
  }),
);

export interface Tensor {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: number;
}

/**
 * Length of the JSON that follows the first 8 bytes of a safetensors file, or the reason why it is invalid.
 * `size` is that of the whole file.
 */
export function headerLength(start: Uint8Array, size: number): number | string {
  if (start.length < 8) return 'too short for a header';
  const length = new DataView(start.buffer, start.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) return `a header of ${length} bytes, more than the format allows`;
  if (length < 2n || Number(length) + 8 > size) return `a header of ${length} bytes in a file of ${size}`;
  return Number(length);
}

/** The tensors that a header describes, or the reason why it is invalid. */
export function readHeader(json: Uint8Array): readonly Tensor[] | string {
  const header = parseRecord(new TextDecoder().decode(json));
  if (typeof header === 'string') return header;
  const entries = Object.entries(header).filter(([name]) => name !== '__metadata__');
  if (entries.length > MAX_TENSORS) return `${entries.length} tensors`;
  const tensors: Tensor[] = [];
  for (const [name, entry] of entries) {
    const tensor = readTensor(name, entry);
    if (tensor === undefined) return `a tensor that makes no sense: ${name.slice(0, 60)}`;
    tensors.push(tensor);
  }
  return tensors;
}

function readTensor(name: string, entry: unknown): Tensor | undefined {
  if (!isRecord(entry)) return undefined;
  const { dtype, shape, data_offsets: offsets } = entry as JsonRecord;
  if (typeof dtype !== 'string' || !isSizes(shape) || !isSizes(offsets)) return undefined;
  const [start, end] = offsets;
  if (offsets.length !== 2 || start! > end!) return undefined;
  const width = ELEMENT_BITS.get(dtype);
  const bits = shape.reduce((product, one) => product * one, width ?? 0);
  if (width !== undefined && Math.ceil(bits / 8) !== end! - start!) return undefined;
  return { name, dtype, shape, bytes: end! - start! };
}

function isSizes(value: unknown): value is number[] {
  return (
    Array.isArray(value) && value.length <= 16 && value.every((one) => Number.isSafeInteger(one) && one >= 0)
  );
}
