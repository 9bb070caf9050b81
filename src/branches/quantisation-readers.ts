import { isRecord, type JsonRecord } from '../model/json.ts';
import { type PlainFacts, withoutGaps } from './fact-list.ts';
import { booleanAt, integerAt, numberAt, recordAt, textAt } from './json.ts';
import { quantAlgorithm } from './quant-algorithm.ts';
import { bitsOf, groupSize, MAX_BITS, MAX_GROUP, MAX_MODULES, MIN_BITS } from './quantisation-parts.ts';

/** Reads the fields of a description that only one method has; `quantisation.ts` reads those that methods share. */
export type DescriptionReader = (config: JsonRecord) => PlainFacts;

/** The version of the tool, and for EXL3 its codebook. */
export const exl: DescriptionReader = (config) => {
  const parts = [textAt(config, 'version', 40), textAt(config, 'codebook', 20)];
  return { packing: parts.filter((part) => part !== undefined).join(', ') || undefined };
};

export const bitsandbytes: DescriptionReader = (config) => {
  const four = booleanAt(config, 'load_in_4bit') === true;
  const eight = booleanAt(config, 'load_in_8bit') === true;
  const type = four ? textAt(config, 'bnb_4bit_quant_type', 20) : undefined;
  const double = four && booleanAt(config, 'bnb_4bit_use_double_quant') === true;
  return {
    bits: four ? 4 : eight ? 8 : undefined,
    packing: type === undefined ? undefined : double ? `${type}, double` : type,
    // Files of 8-bit models have this field too, but no program reads it.
    dtype: four ? textAt(config, 'bnb_4bit_compute_dtype', 20) : undefined,
  };
};

export const fp8: DescriptionReader = (config) => {
  const scheme = textAt(config, 'activation_scheme', 20);
  const format = textAt(config, 'fmt', 20) ?? 'e4m3';
  return {
    bits: 8,
    groupSize: blockWidth(config, 'weight_block_size'),
    packing: scheme === undefined ? format : `${format}, ${scheme}`,
  };
};

/** The second of two sizes: the weights of one row that share a scale. */
function blockWidth(config: JsonRecord, name: string): number | undefined {
  const block = Object.hasOwn(config, name) ? config[name] : undefined;
  const [, width] = Array.isArray(block) ? (block as unknown[]) : [];
  return typeof width === 'number' && Number.isSafeInteger(width) && width > 0 && width <= MAX_GROUP
    ? width
    : undefined;
}

/** The widths of all groups of modules; other details come from the first group. */
export const compressedTensors: DescriptionReader = (config) => {
  const groups = Object.values(recordAt(config, 'config_groups') ?? {})
    .slice(0, 1000)
    .map((group) => (isRecord(group) ? recordAt(group, 'weights') : undefined))
    .filter((weights) => weights !== undefined);
  const widths = groups.map((weights) => numberAt(weights, 'num_bits', MIN_BITS, MAX_BITS));
  const [first] = groups;
  if (first === undefined) return { packing: textAt(config, 'format', 40) };
  const actOrder = textAt(first, 'actorder') ?? booleanAt(first, 'actorder');
  return {
    ...bitsOf(widths),
    groupSize: groups
      .map((weights) => groupSize(weights) ?? blockWidth(weights, 'block_structure'))
      .find((size) => size !== undefined),
    symmetric: booleanAt(first, 'symmetric'),
    actOrder: actOrder === undefined ? undefined : actOrder !== false,
    packing: textAt(config, 'format', 40) ?? textAt(first, 'type', 20),
  };
};

/** Exports of NVIDIA's tools: groups as in compressed-tensors, or only the name of the algorithm. */
export const modelopt: DescriptionReader = (config) => {
  const named = quantAlgorithm(config);
  if (recordAt(config, 'config_groups') === undefined) return named;
  const grouped = compressedTensors(config);
  return { ...named, ...withoutGaps(grouped), packing: named.packing ?? grouped.packing };
};

export const hqq: DescriptionReader = (config) => {
  const settings = recordAt(config, 'quant_config') ?? {};
  const own = recordAt(settings, 'weight_quant_params');
  const modules = Object.values(settings).slice(0, MAX_MODULES).filter(isRecord);
  const nested = modules
    .map((one) => recordAt(one, 'weight_quant_params'))
    .filter((one) => one !== undefined);
  const all: JsonRecord[] = own === undefined ? nested : [own];
  return {
    ...bitsOf(all.map((one) => numberAt(one, 'nbits', MIN_BITS, MAX_BITS))),
    groupSize: all[0] && groupSize(all[0]),
  };
};

/** A vector of weights is the sum of entries of several codebooks. */
export const aqlm: DescriptionReader = (config) => {
  const [books, bits] = ['num_codebooks', 'nbits_per_codebook'].map((name) => integerAt(config, name, 1, 64));
  const [inputs, outputs] = ['in_group_size', 'out_group_size'].map((name) =>
    integerAt(config, name, 1, MAX_GROUP),
  );
  if (books === undefined || bits === undefined) return {};
  const width = (books * bits) / ((inputs ?? 8) * (outputs ?? 1));
  return {
    bits: width >= MIN_BITS && width <= MAX_BITS ? rounded(width) : undefined,
    packing: `${books}x${bits}`,
  };
};

/** Indices into codebooks, of a main and a residual vector; the last number of each pair is for ordinary weights (not outliers). */
export const vptq: DescriptionReader = (config) => {
  const layers = Object.values(recordAt(config, 'config_for_layers') ?? {}).slice(0, MAX_MODULES);
  const shared = recordAt(config, 'shared_layer_config');
  const widths = [...(shared === undefined ? [] : [shared, ...Object.values(shared)]), ...layers]
    .filter(isRecord)
    .map((layer) => {
      const [length, entries, rest] = ['vector_lens', 'num_centroids', 'num_res_centroids'].map((name) => {
        const pair = layer[name];
        const last = Array.isArray(pair) ? (pair as unknown[]).at(-1) : undefined;
        return typeof last === 'number' && Number.isSafeInteger(last) && last > 0 ? last : undefined;
      });
      if (length === undefined || entries === undefined) return undefined;
      const width = (Math.log2(entries) + (rest === undefined ? 0 : Math.log2(rest))) / length;
      return width >= MIN_BITS && width <= MAX_BITS ? rounded(width) : undefined;
    });
  return bitsOf(widths);
};

/** AMD Quark: weights in one stage, or in a list of two, of which the narrower is stored. */
export const quark: DescriptionReader = (config) => {
  const stages = (holder: unknown) => {
    const weight = isRecord(holder) ? holder['weight'] : undefined;
    return (Array.isArray(weight) ? (weight as unknown[]).slice(0, 8) : [weight]).filter(isRecord);
  };
  const narrowest = (holder: unknown) =>
    stages(holder)
      .map((stage) => ({ stage, bits: digitsOf(typeOf(stage) ?? '') }))
      .filter(({ bits }) => bits !== undefined)
      .toSorted((left, right) => left.bits! - right.bits!)[0];
  const main = narrowest(recordAt(config, 'global_quant_config'));
  const others = ['layer_quant_config', 'layer_type_quant_config'].flatMap((name) =>
    Object.values(recordAt(config, name) ?? {}).slice(0, MAX_MODULES),
  );
  const cache = Object.values(recordAt(config, 'kv_cache_quant_config') ?? {}).slice(0, MAX_MODULES);
  const cacheBits = cache.map((one) => {
    const output = isRecord(one) ? recordAt(one, 'output_tensors') : undefined;
    return output === undefined ? undefined : digitsOf(textAt(output, 'dtype', 20) ?? '');
  });
  return {
    ...bitsOf([main?.bits, ...others.map((one) => narrowest(one)?.bits)]),
    groupSize: main && groupSize(main.stage),
    symmetric: main && booleanAt(main.stage, 'symmetric'),
    packing: main && typeOf(main.stage),
    kvCacheBits: cacheBits.find((bits) => bits !== undefined),
  };
};

function typeOf(stage: JsonRecord): string | undefined {
  const type = textAt(stage, 'dtype', 20);
  return type !== undefined && /\d/.test(type) ? type : (textAt(stage, 'mx_element_dtype', 20) ?? type);
}

export const quanto: DescriptionReader = (config) => {
  const type = textAt(config, 'weights', 20);
  return { bits: digitsOf(type ?? ''), packing: type };
};

export const autoRound: DescriptionReader = (config) => {
  const extra = Object.values(recordAt(config, 'extra_config') ?? {}).slice(0, MAX_MODULES);
  const widths = extra.map((one) => (isRecord(one) ? numberAt(one, 'bits', MIN_BITS, MAX_BITS) : undefined));
  const bits = numberAt(config, 'bits', MIN_BITS, MAX_BITS);
  const type = textAt(config, 'data_type', 20);
  return {
    ...bitsOf([bits, ...widths.filter((width) => width !== undefined && width < 16)]),
    bits,
    packing: textAt(config, 'packing_format', 60) ?? textAt(config, 'backend', 60) ?? type,
  };
};

/** `mode` is how groups are scaled; the settings of single modules are entries of the same object. */
export const mlx: DescriptionReader = (config) => {
  const modules = Object.values(config).slice(0, MAX_MODULES).filter(isRecord);
  const bits = numberAt(config, 'bits', MIN_BITS, MAX_BITS);
  const { mixedBits } = bitsOf([bits, ...modules.map((one) => numberAt(one, 'bits', MIN_BITS, MAX_BITS))]);
  return { bits, mixedBits, packing: textAt(config, 'mode', 20) };
};

export const fpQuant: DescriptionReader = (config) => {
  const type = textAt(config, 'forward_dtype', 20);
  return {
    bits: digitsOf(type ?? ''),
    groupSize: type === 'nvfp4' ? 16 : type === undefined ? undefined : 32,
    packing: type,
  };
};

/** `int4`, `fp8_e4m3`, `mxfp4`: the first number in the name of a type. */
function digitsOf(type: string): number | undefined {
  const bits = Number(/\d+/.exec(type)?.[0] ?? Number.NaN);
  return bits >= 1 && bits <= MAX_BITS ? bits : undefined;
}

function rounded(width: number): number {
  return Math.round(width * 100) / 100;
}
