import { isRecord, type JsonRecord } from '../model/json.ts';
import { type PlainFacts, withoutGaps } from './fact-list.ts';
import { booleanAt, integerAt, numberAt, recordAt, textAt } from './json.ts';
import { methodNamed, methodOf } from './quantisation-methods.ts';
import { bitsOf, groupSize, MAX_BITS, MAX_MODULES, MIN_BITS } from './quantisation-parts.ts';

/**
 * Reads the description of a quantisation: `quantize_config.json`, the older `quant_config.json`, or
 * `quantization_config` inside `config.json`. `assumed` is the method where the object does not name one.
 */
export function readQuantisation(config: JsonRecord, assumed?: string): PlainFacts {
  const method = methodOf(config) ?? assumed;
  const calibration = recordAt(config, 'calibration') ?? {};
  // GPTQModel writes its settings under this name since version 2.
  const meta = recordAt(config, 'meta') ?? {};
  const bits = numberAt(config, 'bits', MIN_BITS, MAX_BITS) ?? numberAt(config, 'w_bit', 1, MAX_BITS);
  const version = textAt(config, 'version');
  const cache = recordAt(config, 'kv_cache_scheme');
  const common: PlainFacts = {
    method,
    bits,
    groupSize: groupSize(config),
    actOrder: booleanAt(config, 'desc_act'),
    actGroupAware: booleanAt(config, 'act_group_aware') ?? booleanAt(meta, 'act_group_aware'),
    damp: numberAt(config, 'damp_percent', 0, 1) ?? numberAt(meta, 'damp_percent', 0, 1),
    symmetric: booleanAt(config, 'sym') ?? negated(booleanAt(config, 'zero_point')),
    // AWQ writes the packing here, most others the version of the tool.
    packing: textAt(config, 'checkpoint_format') ?? (/^v?\d/.test(version ?? '') ? undefined : version),
    headBits: numberAt(config, 'head_bits', MIN_BITS, MAX_BITS),
    dataset: textAt(calibration, 'dataset') ?? textAt(config, 'dataset'),
    sequenceLength:
      integerAt(calibration, 'length', 1, 1e9) ??
      integerAt(calibration, 'cols', 1, 1e9) ??
      integerAt(config, 'model_seqlen', 1, 1e9) ??
      integerAt(config, 'seqlen', 1, 1e9),
    kvCacheBits: cache && numberAt(cache, 'num_bits', 1, 16),
  };
  const special = methodNamed(method).read?.(config) ?? {};
  // With `quant_algo` the group size depends on the algorithm: its reader decides.
  const known = Object.hasOwn(config, 'quant_algo') ? { ...common, groupSize: undefined } : common;
  return { ...known, ...withoutGaps(special), ...dynamicBits(config, bits) };
}

/** Whether an object describes a quantisation at all. */
export function describesQuantisation(config: JsonRecord): boolean {
  return [
    'quant_method',
    'quant_algo',
    'bits',
    'w_bit',
    'load_in_4bit',
    'load_in_8bit',
    'config_groups',
    'group_size',
  ].some((name) => Object.hasOwn(config, name) && config[name] !== null);
}

/** GPTQModel's `dynamic` sets widths for modules that match a pattern; `-:` excludes them. */
function dynamicBits(config: JsonRecord, bits: number | undefined): PlainFacts {
  const dynamic = recordAt(config, 'dynamic');
  if (dynamic === undefined) return {};
  const widths = Object.entries(dynamic)
    .slice(0, MAX_MODULES)
    .filter(([pattern]) => !pattern.startsWith('-:'))
    .map(([, module]) => (isRecord(module) ? numberAt(module, 'bits', MIN_BITS, MAX_BITS) : undefined));
  const { mixedBits } = bitsOf([bits, ...widths]);
  return mixedBits === undefined ? {} : { mixedBits };
}

function negated(value: boolean | undefined): boolean | undefined {
  return value === undefined ? undefined : !value;
}
