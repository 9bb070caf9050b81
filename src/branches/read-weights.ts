import type { RemoteFile } from '../model/remote-file.ts';
import type { PlainFacts } from './fact-list.ts';
import { headerLength, MAX_HEADER_BYTES, readHeader, type Tensor } from './safetensors-header.ts';

/** Reads a range of a file of the revision. */
export type ReadFile = (file: RemoteFile, start: number, end: number) => Promise<Uint8Array>;

/** Bytes of the first read: enough for the header of a quantised 7B model in one file (1,100 tensors, 130 kB). */
const FIRST_READ = 192 * 1024;

/** The tensors of all files, or a sentence that names a file with an invalid header. */
export async function readTensors(
  files: readonly RemoteFile[],
  read: ReadFile,
): Promise<readonly Tensor[] | string> {
  const parts = await Promise.all(files.map((file) => tensorsOf(file, read)));
  const wrong = parts.find((part) => typeof part === 'string');
  return wrong ?? (parts as (readonly Tensor[])[]).flat();
}

async function tensorsOf(file: RemoteFile, read: ReadFile): Promise<readonly Tensor[] | string> {
  const start = await read(file, 0, Math.min(FIRST_READ, file.size));
  const length = headerLength(start, file.size);
  if (typeof length === 'string') return `${file.path}: ${length}`;
  const end = Math.min(8 + length, MAX_HEADER_BYTES + 8);
  const rest = end > start.length ? await read(file, start.length, end) : new Uint8Array();
  const header = new Uint8Array(end - 8);
  header.set(start.subarray(8, end));
  if (rest.length > 0) header.set(rest, start.length - 8);
  const tensors = readHeader(header);
  return typeof tensors === 'string' ? `${file.path}: a header with ${tensors}` : tensors;
}

const PLAIN_BITS: ReadonlyMap<string, number> = new Map(
  Object.entries({
    F64: 64,
    F32: 32,
    F16: 16,
    BF16: 16,
    F8_E4M3: 8,
    F8_E5M2: 8,
  }),
);
const NAMES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    F64: 'float64',
    F32: 'float32',
    F16: 'float16',
    BF16: 'bfloat16',
    F8_E4M3: 'float8_e4m3',
    F8_E5M2: 'float8_e5m2',
  }),
);

/** Bits and dtype of weights that are not quantised: those of the dtype with most bytes. */
export function plainWeights(tensors: readonly Tensor[]): PlainFacts {
  const bytes = new Map<string, number>();
  for (const tensor of tensors) bytes.set(tensor.dtype, (bytes.get(tensor.dtype) ?? 0) + tensor.bytes);
  const [main] = Array.from(bytes).sort((left, right) => right[1] - left[1])[0] ?? [];
  return main === undefined ? {} : { bits: PLAIN_BITS.get(main), dtype: NAMES.get(main) };
}
