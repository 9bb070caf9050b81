import type { Origin } from '../model/branch-facts.ts';
import type { JsonRecord } from '../model/json.ts';
import { booleanAt, integerAt, recordAt, textAt } from './json.ts';
import { quantAlgorithm } from './quant-algorithm.ts';
import { MAX_GROUP } from './quantisation-parts.ts';
import * as readers from './quantisation-readers.ts';
import type { Tensor } from './safetensors-header.ts';
import { torchao } from './torchao.ts';

/** Everything that differs between methods. A method that is in no row keeps its name and gets the shared fields. */
export interface QuantisationMethod {
  /** Matches other spellings in `quant_method`, in lower case. */
  readonly spelling?: RegExp;
  /** Reads the fields of a description that only this method has. */
  readonly read?: readers.DescriptionReader;
  /** Recognises a description that names no method. */
  readonly describes?: (description: JsonRecord) => boolean;
  /** The method of this file's description, where the description names none. */
  readonly file?: Origin;
  /** Recognises the tensors of weights that have no description. */
  readonly leaves?: (tensors: readonly Tensor[]) => boolean;
  /** Recognises packed weights, beside `.qweight` and `.weight_packed`, which several methods write. */
  readonly packs?: (tensor: Tensor) => boolean;
  /** The ending of the tensor beside packed weights that has one scale per group. */
  readonly scales?: string;
  /** Trellises and codebooks: the shapes do not tell how many weights the tensors hold. */
  readonly isOpaque?: true;
  /** The widths that ExLlama loads. */
  readonly exllama?: 'every' | 'four-bit';
  /** Names of branches and repositories contain the method as a word. */
  readonly isInNames?: true;
}

/**
 * The quantisation methods: the only place to add one. If several rows recognise the same description or tensors, the
 * first one counts.
 */
const TABLE: Readonly<Record<string, QuantisationMethod>> = {
  bitsandbytes: {
    spelling: /^bitsandbytes_[48]bit$/,
    read: readers.bitsandbytes,
    describes: (description) =>
      booleanAt(description, 'load_in_4bit') === true || booleanAt(description, 'load_in_8bit') === true,
    packs: ({ dtype }) => dtype === 'U8',
  },
  awq: {
    describes: (description) => Object.hasOwn(description, 'w_bit'),
    // AWQ wrote this file before transformers had a place for it.
    file: 'quant_config.json',
    isInNames: true,
  },
  gptq: {
    describes: (description) => Object.hasOwn(description, 'desc_act'),
    file: 'quantize_config.json',
    exllama: 'four-bit',
    isInNames: true,
  },
  mlx: {
    read: readers.mlx,
    leaves: (tensors) =>
      tensors.some(({ name, dtype }) => dtype === 'U32' && name.endsWith('.weight')) &&
      anyEndsWith('.scales')(tensors),
    packs: ({ dtype }) => dtype === 'U32',
    scales: '.scales',
  },
  exl2: {
    read: readers.exl,
    leaves: anyEndsWith('.q_weight'),
    isOpaque: true,
    exllama: 'every',
    isInNames: true,
  },
  exl3: {
    read: readers.exl,
    leaves: anyEndsWith('.trellis'),
    isOpaque: true,
    exllama: 'every',
    isInNames: true,
  },
  'compressed-tensors': {
    read: readers.compressedTensors,
    describes: (description) => recordAt(description, 'config_groups') !== undefined,
    leaves: anyEndsWith('.weight_packed'),
  },
  modelopt: { spelling: /^modelopt/, read: readers.modelopt, file: 'hf_quant_config.json' },
  'tensorrt-llm': { read: quantAlgorithm },
  fp8: { read: readers.fp8, isInNames: true },
  hqq: { read: readers.hqq, isOpaque: true },
  aqlm: { read: readers.aqlm, isOpaque: true },
  vptq: { read: readers.vptq, isOpaque: true },
  quark: { spelling: /^quark/, read: readers.quark },
  quanto: { read: readers.quanto },
  torchao: { read: torchao },
  'auto-round': { spelling: /^(intel\/)?auto[-_]round/, read: readers.autoRound },
  fp_quant: { read: readers.fpQuant, isOpaque: true },
  mxfp4: { read: () => ({ bits: 4, groupSize: 32, packing: 'e2m1' }) },
  eetq: { read: () => ({ bits: 8, packing: 'int8' }) },
  fbgemm_fp8: { read: () => ({ bits: 8, packing: 'e4m3' }) },
  // Three values for every weight, in two bits: log2(3).
  bitnet: { read: () => ({ bits: 1.58 }), isOpaque: true },
  spqr: {
    read: (description) => ({ groupSize: integerAt(description, 'beta1', 1, MAX_GROUP) }),
    isOpaque: true,
  },
  quip: { isOpaque: true },
  sinq: { isOpaque: true },
};

/** Names of methods come from files: unlike an object, a map inherits no entries. */
export const METHODS: ReadonlyMap<string, QuantisationMethod> = new Map(Object.entries(TABLE));

/** The row of a method; empty for `none`, for adapters and for methods that are in no row. */
export function methodNamed(name: string | undefined): QuantisationMethod {
  return METHODS.get(name ?? '') ?? {};
}

/** The method that a description names, or shows by fields that only one method has. */
export function methodOf(description: JsonRecord): string | undefined {
  const named = textAt(description, 'quant_method', 40)?.toLowerCase();
  if (named === undefined) return nameWhere(({ describes }) => describes?.(description) === true);
  return nameWhere(({ spelling }) => spelling?.test(named) === true) ?? named;
}

/** The method of the descriptions in a file, where they name none. */
export function methodOfFile(file: Origin): string | undefined {
  return nameWhere((method) => method.file === file);
}

/** The method that leaves tensors of such names; undefined where the names do not tell. */
export function methodOfTensors(tensors: readonly Tensor[]): string | undefined {
  return nameWhere(({ leaves }) => leaves?.(tensors) === true);
}

/** Whether ExLlama loads weights of this method and width; undefined where that is not known. */
export function loadsInExllama(name: string | undefined, bits: number | undefined): boolean | undefined {
  const { exllama } = methodNamed(name);
  if (exllama === 'every') return true;
  return exllama === undefined || bits === undefined ? undefined : bits === 4;
}

function nameWhere(accepts: (method: QuantisationMethod) => boolean): string | undefined {
  for (const [name, method] of METHODS) if (accepts(method)) return name;
  return undefined;
}

function anyEndsWith(ending: string): (tensors: readonly Tensor[]) => boolean {
  return (tensors) => tensors.some(({ name }) => name.endsWith(ending));
}
