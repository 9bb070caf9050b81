import type { WeightFormat } from './weight-format.ts';

interface Sized {
  readonly path: string;
  readonly size: number;
}

/** The files of one format that a program loads together; the others are copies of the same weights. */
export interface Copies<F extends Sized> {
  readonly loaded: readonly F[];
  /** Parts of the loaded files that the names announce and the listing lacks. */
  readonly missingParts: number;
}

interface Group<F> {
  readonly directory: string;
  /** The name without the number of the part, the extension and the variant. */
  readonly base: string;
  /** `fp16`, `q4`; '' for the default. */
  readonly variant: string;
  readonly parts: number | undefined;
  readonly files: F[];
}

/** `model-00001-of-00002.safetensors`, `pytorch_model-00001-of-00002.fp16.bin`. */
const PART = /[-_.](\d{1,5})-of-(\d{1,5})(?=[.-]|$)/;
/** Suffixes of diffusers, transformers.js and transformers for another precision of the same weights. */
const VARIANT =
  /[-_.](fp16|fp32|bf16|float16|float32|bfloat16|f16|f32|fp8(?:_e4m3fn|_e5m2)?|fp4|int8|int4|uint8|q8|q4|q4f16|bnb4|quantized|quant|ema|non[-_]?ema|no_ema)$/;
const HALF = /^(fp16|bf16|float16|bfloat16|f16)$/;
/** Names that libraries load from a directory by default. */
const DEFAULT_NAMES =
  /^(model|pytorch_model|tf_model|flax_model|diffusion_pytorch_model|diffusion_flax_model|rust_model|openvino_model|gptq_model|output|adapter_model)$/;

/**
 * Chooses the files of one format that are loaded together: the parts of one copy, for a pipeline one copy in each
 * directory. A pipeline prefers the variant in half precision; other models the copy without a variant, which is
 * loaded by default. `all` is the whole listing.
 */
export function copiesOf<F extends Sized>(
  format: WeightFormat,
  files: readonly F[],
  all: readonly Sized[],
): Copies<F> {
  const groups = groupsOf(format, files);
  const paths = new Set(all.map(({ path }) => path));
  const chosen =
    format === 'ggml' || format === 'llamafile'
      ? largest(groups)
      : paths.has('model_index.json') && groups.some(({ directory }) => directory !== '')
        ? inDirectories(groups.filter(({ directory }) => directory !== ''))
        : inOneModel(format, groups);
  const missing = chosen.map(({ parts, files: here }) => Math.max(0, (parts ?? 0) - here.length));
  return {
    loaded: chosen.flatMap((group) => group.files),
    missingParts: missing.reduce((sum, one) => sum + one, 0),
  };
}

function groupsOf<F extends Sized>(format: WeightFormat, files: readonly F[]): Group<F>[] {
  const groups = new Map<string, Group<F>>();
  for (const file of files) {
    const slash = file.path.lastIndexOf('/');
    const directory = file.path.slice(0, Math.max(0, slash));
    let name = file.path.slice(slash + 1).toLowerCase();
    name =
      format === 'onnx'
        ? name.replace(/\.onnx([._]data.*)?$/, '').replace(/[._]data(_\d+)?$/, '')
        : name.replace(/\.[a-z0-9]+$/, '');
    const part = PART.exec(name);
    name = name.replace(PART, '');
    const variant = VARIANT.exec(name);
    const base = name.replace(VARIANT, '');
    const key = JSON.stringify([directory, base, variant?.[1] ?? '', part?.[2] ?? '']);
    const known = groups.get(key);
    if (known !== undefined) known.files.push(file);
    else
      groups.set(key, {
        directory,
        base,
        variant: variant?.[1] ?? '',
        parts: part === null ? undefined : Number(part[2]),
        files: [file],
      });
  }
  return [...groups.values()];
}

function addTo<T>(lists: Map<string, T[]>, key: string, value: T): void {
  const known = lists.get(key);
  if (known === undefined) lists.set(key, [value]);
  else known.push(value);
}

function bytesOf<F extends Sized>(group: Group<F>): number {
  return group.files.reduce((sum, { size }) => sum + size, 0);
}

function largest<F extends Sized>(groups: readonly Group<F>[]): Group<F>[] {
  return groups.toSorted((left, right) => bytesOf(right) - bytesOf(left)).slice(0, 1);
}

/** One copy per directory, as pipelines load their parts. */
function inDirectories<F extends Sized>(groups: readonly Group<F>[]): Group<F>[] {
  const directories = new Map<string, Group<F>[]>();
  for (const group of groups) addTo(directories, group.directory, group);
  // `vae_1_0` is an older release of `vae`.
  const known = Array.from(directories).filter(([directory]) => !isOlder(directory, directories));
  return known.flatMap(([, here]) => {
    const defaults = here.filter(({ base }) => DEFAULT_NAMES.test(base));
    return oneCopy(defaults.length > 0 ? defaults : here, true);
  });
}

function isOlder(directory: string, directories: ReadonlyMap<string, unknown>): boolean {
  const plain = directory.replace(/_\d+_\d+$/, '');
  return plain !== directory && directories.has(plain);
}

/** One model: the files at the top level, and the numbered modules of sentence-transformers. */
function inOneModel<F extends Sized>(format: WeightFormat, groups: readonly Group<F>[]): Group<F>[] {
  const depth = (group: Group<F>) => (group.directory === '' ? 0 : group.directory.split('/').length);
  const minDepth = groups.reduce((min, group) => Math.min(min, depth(group)), Number.POSITIVE_INFINITY);
  const top = groups.filter((group) => depth(group) === minDepth);
  const directories = new Set(top.map(({ directory }) => directory));
  if (directories.size > 1) {
    // `fp16/model.onnx` and `int4/model.onnx` are copies; directories of other names hold parts of one model.
    const areCopies = format === 'onnx' || [...directories].every((directory) => PRECISION.test(directory));
    if (!areCopies) return inDirectories(top);
    const half = [...directories].find((directory) => /(fp|bf|float)16/i.test(directory));
    const byDirectory = new Map<string, Group<F>[]>();
    for (const group of top) addTo(byDirectory, group.directory, group);
    const chosen = half === undefined ? mostBytes([...byDirectory.values()]) : byDirectory.get(half)!;
    return oneCopy(chosen, false);
  }
  const merged = top.some(({ base }) => base === 'decoder_model_merged');
  const wanted = top.filter(({ base }) => !(merged && /^decoder_(model|with_past_model)$/.test(base)));
  const defaults = wanted.filter(({ base }) => DEFAULT_NAMES.test(base) && base !== 'adapter_model');
  const modules = groups.filter(({ directory }) => /^\d+_\w+$/.test(directory));
  return [
    ...oneCopy(defaults.length > 0 ? defaults : wanted, false),
    ...(minDepth === 0 ? inDirectories(modules) : []),
  ];
}

const PRECISION =
  /(^|[-_/])(fp16|fp32|bf16|f16|f32|fp8|fp4|int8|int4|q[2-8]|[2-8]-?bit|w\d+a\d+|gptq|awq|nvfp4|mxfp4)([-_/]|$)/i;

function mostBytes<F extends Sized>(sets: readonly Group<F>[][]): Group<F>[] {
  const bytes = (set: Group<F>[]) => set.reduce((sum, group) => sum + bytesOf(group), 0);
  return sets.toSorted((left, right) => bytes(right) - bytes(left))[0] ?? [];
}

/** One variant of every name; `halfFirst` prefers half precision. */
function oneCopy<F extends Sized>(groups: readonly Group<F>[], halfFirst: boolean): Group<F>[] {
  const bases = new Map<string, Group<F>[]>();
  for (const group of groups) addTo(bases, group.base, group);
  const rank = ({ variant }: Group<F>) => (HALF.test(variant) ? (halfFirst ? 0 : 2) : variant === '' ? 1 : 3);
  return Array.from(
    bases.values(),
    (same) =>
      same.toSorted(
        (left, right) =>
          rank(left) - rank(right) ||
          right.files.length - left.files.length ||
          bytesOf(right) - bytesOf(left),
      )[0]!,
  );
}
