import { isRecord, type JsonRecord } from '../model/json.ts';
import type { PlainFacts } from './fact-list.ts';
import { recordAt, textAt } from './json.ts';
import { bitsOf, groupSize, MAX_BITS, MAX_MODULES } from './quantisation-parts.ts';

/**
 * `quant_algo` as NVIDIA's tools write it, in `hf_quant_config.json`, in the configurations of modelopt and of TensorRT-LLM:
 * `NVFP4`, `FP8`, `W4A16_AWQ`, or `MIXED_PRECISION` with `quantized_layers`.
 */
export function quantAlgorithm(block: JsonRecord): PlainFacts {
  const name = textAt(block, 'quant_algo', 60);
  const cache = textAt(block, 'kv_cache_quant_algo', 20);
  const kvCacheBits = cache === undefined ? undefined : bitsOfAlgorithm(cache);
  const layers = Object.values(recordAt(block, 'quantized_layers') ?? {})
    .slice(0, MAX_MODULES)
    .filter(isRecord);
  const widths = layers.map((layer) => bitsOfAlgorithm(textAt(layer, 'quant_algo', 60) ?? ''));
  const grouped = layers.find((layer) => groupOf(layer) !== undefined);
  return {
    ...bitsOf(layers.length > 0 ? widths : [bitsOfAlgorithm(name ?? '')]),
    groupSize: groupOf(block) ?? (grouped && groupOf(grouped)),
    packing: name,
    kvCacheBits,
  };
}

/** The bits of the weights: 4 for `W4A8`. */
function bitsOfAlgorithm(name: string): number | undefined {
  const digits = /W(\d+)A\d+/i.exec(name)?.[1] ?? /(?:FP|INT)(\d+)/i.exec(name)?.[1];
  const bits = Number(digits ?? Number.NaN);
  return bits >= 1 && bits <= MAX_BITS ? bits : undefined;
}

/** Plain FP8 has one scale per matrix, even if the file states a group size. */
function groupOf(block: JsonRecord): number | 'none' | undefined {
  const name = textAt(block, 'quant_algo', 60) ?? '';
  if (/NVFP4/i.test(name)) return groupSize(block) ?? 16;
  if (/MXFP/i.test(name)) return groupSize(block) ?? 32;
  if (/FP8_PB/i.test(name)) return groupSize(block) ?? 128;
  return /W4|INT4|AWQ|MIXED/i.test(name) ? groupSize(block) : undefined;
}
