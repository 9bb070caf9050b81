import type { PlainFacts } from './fact-list.ts';
import { exact } from './kv-cache.ts';
import { methodNamed } from './quantisation-methods.ts';
import { ELEMENT_BITS, type Tensor } from './safetensors-header.ts';

/** The facts of the quantisation that counting needs. */
export interface Packing {
  readonly method: string;
  /** Per weight, in all packed tensors; undefined where modules differ or it is unknown. */
  readonly bits: number | undefined;
  /** Weights that share a scale. */
  readonly groupSize: number | undefined;
}

/** Tensors that quantisers store in addition to the weights. */
const TABLES =
  /(\.(g_idx|qzeros|scales|biases|q_scale|q_scale_max|q_groups|q_perm|q_invperm|absmax|quant_map|nested_absmax|nested_quant_map|quant_state\..*|weight_scale(_inv|_2)?|weight_scales|weight_zero_point|weight_shape|weight_g_idx|weight_global_scale|(input|output|pre_quant|k|v|q|prob_output)_scale|input_global_scale|activation_scaling_factor|prequant_scaling_factor|weights_scaling_factor(_2)?|SCB|weight_format)|_scales|_scale_inv)$/;

/** Positions and masks: integers that are not packed weights. */
const COUNTERS = /(ids|index|indexes|mask|\.bias|masked_bias|num_batches_tracked)$/;

/**
 * Parameters and bytes of all tensors of a model. Packed tensors are unpacked: GPTQ and AWQ put
 * 32/bits values into an I32, MLX into a U32, bitsandbytes 8/bits into a U8, 4-bit floats two into a U8. Scales and
 * tables hold no parameters. `parameters` is undefined where the packing is unknown.
 */
export function countParameters(tensors: readonly Tensor[], packing: Packing): PlainFacts {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  let parameters: number | undefined = methodNamed(packing.method).isOpaque ? undefined : 0;
  let tensorBytes = 0;
  for (const tensor of tensors) {
    tensorBytes += tensor.bytes;
    const held = TABLES.test(tensor.name) ? 0 : parametersOf(tensor, packing, byName);
    parameters = parameters === undefined || held === undefined ? undefined : parameters + held;
  }
  const isKnown = parameters !== undefined && Number.isSafeInteger(parameters) && parameters > 0;
  return {
    tensorBytes: tensorBytes > 0 ? exact(tensorBytes) : undefined,
    parameters: isKnown ? parameters : undefined,
  };
}

function parametersOf(
  tensor: Tensor,
  { method, bits, groupSize }: Packing,
  byName: ReadonlyMap<string, Tensor>,
): number | undefined {
  const { name, dtype, shape } = tensor;
  const elements = elementsOf(shape);
  const sibling = (ending: string) => byName.get(name.replace(/\.[^.]*$/, ending));
  // Two 4-bit floats in a byte, with scales for groups; 8-bit floats have their own dtype.
  const isByte = dtype === 'U8';
  if (isByte && /\.weight(_packed)?$/.test(name) && sibling('.weight_scale') !== undefined)
    return 2 * elements;
  if (isByte && name.endsWith('_blocks')) return 2 * elements;
  const { packs, scales: ending } = methodNamed(method);
  const packsThis = packs?.(tensor) === true;
  const scales = packsThis && ending !== undefined ? sibling(ending) : undefined;
  if (scales !== undefined && groupSize !== undefined) return elementsOf(scales.shape) * groupSize;
  const isPacked = packsThis || /\.(qweight|weight_packed)$/.test(name);
  const width = ELEMENT_BITS.get(dtype);
  if (isPacked)
    return bits === undefined || width === undefined ? undefined : Math.round((elements * width) / bits);
  // Integers under a name that no known method uses: packed in an unknown way.
  const isOdd = /^([IU](16|32)|U8)$/.test(dtype) && shape.length > 1 && !COUNTERS.test(name);
  return method !== 'none' && isOdd ? undefined : elements;
}

function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, one) => product * one, 1);
}

/** Bits per weight to two digits. Undefined above 64: then the bytes are not those of these parameters. */
export function bitsPerWeight(bytes: number, parameters: number): number | undefined {
  const bits = Math.round((800 * bytes) / parameters) / 100;
  return bits > 64 ? undefined : bits;
}
