import { isRecord, type JsonRecord } from '../model/json.ts';
import type { PlainFacts } from './fact-list.ts';
import { recordAt, textAt } from './json.ts';
import { bitsOf, groupSize, MAX_BITS, MAX_MODULES } from './quantisation-parts.ts';

/** Levels of nested settings that are read. */
const MAX_DEPTH = 4;

interface Setting {
  readonly name: string;
  readonly values: JsonRecord;
}

/** torchao: the name of a recipe with its arguments, or a serialised object with the name of its class. */
export function torchao(config: JsonRecord): PlainFacts {
  const recipe = textAt(config, 'quant_type', 80);
  const settings: Setting[] =
    recipe === undefined
      ? settingsIn(recordAt(config, 'quant_type') ?? {}, MAX_DEPTH)
      : [{ name: recipe, values: recordAt(config, 'quant_type_kwargs') ?? {} }];
  const [first] = settings;
  return {
    ...bitsOf(settings.map(bitsOfSetting)),
    groupSize: first && (groupSize(first.values) ?? blockSize(first.values)),
    packing: first?.name,
  };
}

/** All objects whose class describes weights, directly or in a map of modules. */
function settingsIn(holder: JsonRecord, depth: number): Setting[] {
  if (depth === 0) return [];
  const name = textAt(holder, '_type', 80);
  const values = recordAt(holder, '_data');
  if (
    name !== undefined &&
    values !== undefined &&
    /weight|linear|mx|nvfp/i.test(name) &&
    !/^(module|fqn)/i.test(name)
  )
    return [{ name, values }];
  return Object.values(values ?? holder)
    .slice(0, MAX_MODULES)
    .filter(isRecord)
    .flatMap((inner) => settingsIn(inner, depth - 1));
}

/** `Int8DynamicActivationInt4WeightConfig` has weights of 4 bits; some recipes state the dtype only in an argument. */
function bitsOfSetting({ name, values }: Setting): number | undefined {
  const inner = recordAt(values, 'weight_dtype');
  const type =
    textAt(values, 'weight_dtype', 40) ??
    (inner && textAt(inner, '_data', 40)) ??
    textAt(values, 'dtype', 40) ??
    typeIn(values, 'dtype');
  const digits =
    /(?:int|float|fp)(\d+)_?(?:dq_?)?weight/i.exec(name)?.[1] ??
    /(?:int|float|fp)(\d+)/i.exec(type ?? '')?.[1] ??
    /(?:int|float|fp)(\d+)/i.exec(name)?.[1];
  const bits = Number(digits ?? Number.NaN);
  return bits >= 1 && bits <= MAX_BITS ? bits : undefined;
}

function typeIn(values: JsonRecord, name: string): string | undefined {
  const inner = recordAt(values, name);
  return inner && textAt(inner, '_data', 40);
}

function blockSize(values: JsonRecord): number | undefined {
  const size = values['block_size'];
  return typeof size === 'number' && Number.isSafeInteger(size) && size > 0 && size < 1e6 ? size : undefined;
}
