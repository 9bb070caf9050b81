import type { PlainFacts } from './fact-list.ts';
import { booleanAt, integerAt, isRecord, type JsonRecord, numberAt, recordAt, textAt } from './json.ts';

/** No method uses more bits than a double, none fewer than a fraction of one. */
const LEAST_BITS = 0.1;
const MOST_BITS = 64;
const MOST_GROUP = 1_000_000;
/** Mixtures have two or three widths, at most a handful. */
const MOST_WIDTHS = 32;

/**
 * What a description of a quantisation says: `quantize_config.json`, the older `quant_config.json`, or
 * `quantization_config` inside `config.json`. Methods: GPTQ and GPTQModel, AWQ, EXL2, EXL3, bitsandbytes, fp8,
 * compressed-tensors, mxfp4, MLX. `assumed` is the method where the object does not name one.
 */
export function readQuantisation(config: JsonRecord, assumed?: string): PlainFacts {
  const method = methodOf(config) ?? assumed;
  const calibration = recordAt(config, 'calibration') ?? {};
  const bits = numberAt(config, 'bits', LEAST_BITS, MOST_BITS) ?? numberAt(config, 'w_bit', 1, MOST_BITS);
  const common: PlainFacts = {
    method,
    bits,
    groupSize: groupSize(config),
    actOrder: booleanAt(config, 'desc_act'),
    damp: numberAt(config, 'damp_percent', 0, 1),
    symmetric: booleanAt(config, 'sym') ?? negated(booleanAt(config, 'zero_point')),
    packing: textAt(config, 'checkpoint_format') ?? textAt(config, 'version'),
    headBits: numberAt(config, 'head_bits', LEAST_BITS, MOST_BITS),
    dataset: textAt(calibration, 'dataset') ?? textAt(config, 'dataset'),
    sequenceLength:
      integerAt(calibration, 'length', 1, 1e9) ??
      integerAt(calibration, 'cols', 1, 1e9) ??
      integerAt(config, 'model_seqlen', 1, 1e9),
  };
  const special = SPECIAL.get(method ?? '')?.(config) ?? {};
  return { ...common, ...withoutGaps(special), ...dynamicBits(config, bits) };
}

/** Whether an object describes a quantisation at all. */
export function describesQuantisation(config: JsonRecord): boolean {
  return [
    'quant_method',
    'bits',
    'w_bit',
    'load_in_4bit',
    'load_in_8bit',
    'config_groups',
    'group_size',
  ].some((name) => Object.hasOwn(config, name));
}

function methodOf(config: JsonRecord): string | undefined {
  const named = textAt(config, 'quant_method', 40)?.toLowerCase();
  if (named === 'bitsandbytes_4bit' || named === 'bitsandbytes_8bit') return 'bitsandbytes';
  if (named !== undefined) return named;
  if (booleanAt(config, 'load_in_4bit') === true || booleanAt(config, 'load_in_8bit') === true)
    return 'bitsandbytes';
  if (Object.hasOwn(config, 'w_bit')) return 'awq';
  if (Object.hasOwn(config, 'desc_act')) return 'gptq';
  return recordAt(config, 'config_groups') === undefined ? undefined : 'compressed-tensors';
}

/** What is particular about a method. The names come from files: a map has no other entries than these. */
const SPECIAL: ReadonlyMap<string, (config: JsonRecord) => PlainFacts> = new Map(
  Object.entries({
    exl2: (config: JsonRecord): PlainFacts => ({ packing: undefined, ...exlVersion(config) }),
    exl3: (config: JsonRecord): PlainFacts => ({ packing: undefined, ...exlVersion(config) }),
    bitsandbytes: (config: JsonRecord): PlainFacts => {
      const four = booleanAt(config, 'load_in_4bit') === true;
      const eight = booleanAt(config, 'load_in_8bit') === true;
      const type = four ? textAt(config, 'bnb_4bit_quant_type', 20) : undefined;
      const double = four && booleanAt(config, 'bnb_4bit_use_double_quant') === true;
      return {
        bits: four ? 4 : eight ? 8 : undefined,
        packing: type === undefined ? undefined : double ? `${type}, double` : type,
        dtype: textAt(config, 'bnb_4bit_compute_dtype', 20),
      };
    },
    fp8: (config: JsonRecord): PlainFacts => {
      const block = Object.hasOwn(config, 'weight_block_size') ? config['weight_block_size'] : undefined;
      const [, width] = Array.isArray(block) ? (block as unknown[]) : [];
      const scheme = textAt(config, 'activation_scheme', 20);
      const format = textAt(config, 'fmt', 20) ?? 'e4m3';
      return {
        bits: 8,
        groupSize: typeof width === 'number' && Number.isSafeInteger(width) && width > 0 ? width : undefined,
        packing: scheme === undefined ? format : `${format}, ${scheme}`,
      };
    },
    mxfp4: (): PlainFacts => ({ bits: 4, groupSize: 32, packing: 'e2m1' }),
    'compressed-tensors': compressedTensors,
  }),
);

function exlVersion(config: JsonRecord): PlainFacts {
  const version = textAt(config, 'version', 40);
  return { packing: version };
}

/** The weights of all groups of modules; the widest group's details stand for the rest. */
function compressedTensors(config: JsonRecord): PlainFacts {
  const groups = Object.values(recordAt(config, 'config_groups') ?? {})
    .slice(0, 1000)
    .map((group) => (isRecord(group) ? recordAt(group, 'weights') : undefined))
    .filter((weights) => weights !== undefined);
  const widths = groups.map((weights) => numberAt(weights, 'num_bits', LEAST_BITS, MOST_BITS));
  const [first] = groups;
  const type = first === undefined ? undefined : textAt(first, 'type', 20);
  const format = textAt(config, 'format', 40);
  const actOrder =
    first === undefined ? undefined : (textAt(first, 'actorder') ?? booleanAt(first, 'actorder'));
  return {
    ...bitsOf(widths),
    groupSize: first === undefined ? undefined : groupSize(first),
    symmetric: first === undefined ? undefined : booleanAt(first, 'symmetric'),
    actOrder: actOrder === undefined ? undefined : actOrder !== false,
    packing: format ?? type,
  };
}

/** GPTQModel's `dynamic` gives modules that match a pattern widths of their own; `-:` leaves them out. */
function dynamicBits(config: JsonRecord, bits: number | undefined): PlainFacts {
  const dynamic = recordAt(config, 'dynamic');
  if (dynamic === undefined) return {};
  const widths = Object.entries(dynamic)
    .slice(0, 100_000)
    .filter(([pattern]) => !pattern.startsWith('-:'))
    .map(([, module]) => (isRecord(module) ? numberAt(module, 'bits', LEAST_BITS, MOST_BITS) : undefined));
  const { mixedBits } = bitsOf([bits, ...widths]);
  return mixedBits === undefined ? {} : { mixedBits };
}

function bitsOf(widths: readonly (number | undefined)[]): Pick<PlainFacts, 'bits' | 'mixedBits'> {
  const known = Array.from(new Set(widths.filter((width) => width !== undefined))).sort((a, b) => a - b);
  if (known.length === 0 || known.length > MOST_WIDTHS) return {};
  return known.length === 1 ? { bits: known[0] } : { bits: known[0], mixedBits: known };
}

/** -1 and null mean one group for all; AWQ's older files call it `q_group_size`. */
function groupSize(config: JsonRecord): number | 'none' | undefined {
  const name = Object.hasOwn(config, 'group_size') ? 'group_size' : 'q_group_size';
  const size = integerAt(config, name, -1, MOST_GROUP);
  if (size === undefined || size === 0) return undefined;
  return size === -1 ? 'none' : size;
}

function negated(value: boolean | undefined): boolean | undefined {
  return value === undefined ? undefined : !value;
}

function withoutGaps(facts: PlainFacts): PlainFacts {
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined));
}
