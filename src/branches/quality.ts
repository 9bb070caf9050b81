import type { BranchRow } from '../model/branch-facts.ts';

/**
 * The perplexity of Llama 3 8B on Wikitext that a quantisation adds, from the table in llama.cpp's
 * `tools/perplexity/README.md`; without an importance matrix where that was measured.
 */
const ADDED_PERPLEXITY: ReadonlyMap<string, number> = new Map([
  ['F32', 0],
  ['BF16', 0],
  ['F16', 0.0015],
  ['Q8_0', 0.0026],
  ['Q6_K', 0.0217],
  ['Q5_K_M', 0.0569],
  ['Q5_K_S', 0.1049],
  ['Q5_1', 0.1062],
  ['Q5_0', 0.1316],
  ['Q4_K_M', 0.1754],
  ['IQ4_NL', 0.224],
  ['IQ4_XS', 0.2281],
  ['Q4_K_S', 0.2689],
  ['Q4_1', 0.4511],
  ['Q4_0', 0.4685],
  ['Q3_K_L', 0.5562],
  ['Q3_K_M', 0.6569],
  ['IQ3_M', 0.6667],
  ['IQ3_S', 0.7339],
  ['IQ3_XS', 0.9314],
  ['IQ3_XXS', 1.2268],
  ['Q3_K_S', 1.6321],
  ['IQ2_M', 2.3692],
  ['Q2_K_S', 3.1836],
  ['IQ2_S', 3.4191],
  ['Q2_K', 3.5199],
  ['IQ2_XS', 4.5298],
  ['IQ2_XXS', 7.8601],
  ['IQ1_M', 19.2621],
  ['IQ1_S', 54.463],
]);

/** The best of those by bits per weight (file size over 8.03 billion weights), to interpolate types without a measurement. */
const BY_BITS: readonly (readonly [bits: number, loss: number])[] = [
  [2.01, 54.463],
  [2.15, 19.2621],
  [2.4, 7.8601],
  [2.6, 4.5298],
  [2.93, 2.3692],
  [3.26, 1.2268],
  [3.78, 0.6667],
  [4.43, 0.2281],
  [4.9, 0.1754],
  [5.7, 0.0569],
  [6.57, 0.0217],
  [8.51, 0.0026],
  [16, 0.0015],
  [32, 0.0001],
];

/** The name in the table above: `Q4_K` is `Q4_K_M`, and repacked files (`Q4_0_4_4`) have the loss of the original. */
function plainLabel(label: string): string {
  const bare = label
    .replace(/^UD-/, '')
    .replace(/_R\d+$/, '')
    .replace(/^(Q4_0)(_\d+){2}$/, '$1');
  return /^Q[345]_K$/.test(bare) ? `${bare}_M` : bare;
}

/** The loss that llama.cpp measured for the quantisation of a row; undefined for anything else. */
export function measuredLoss(row: BranchRow): number | undefined {
  const label = row.facts.quantisation?.value;
  if (!isOneGguf(row) || label === undefined) return undefined;
  return ADDED_PERPLEXITY.get(plainLabel(label));
}

/** One quantisation of a branch, or a tag of a registry, which is one. */
function isOneGguf({ facts, variant, commit }: BranchRow): boolean {
  return (variant !== undefined || commit.startsWith('sha256:')) && facts.method?.value === 'gguf';
}

/** The loss of any row: as measured, else as its family, else by its bits. Rows of unknown bits have the greatest loss. */
export function lossOf(row: BranchRow): number {
  return measuredLoss(row) ?? familyLoss(row) ?? lossOfBits(widthOf(row));
}

/** `Q3_K_XL` is `Q3_K_L` with wider embeddings: at least as good, but not measurably better. */
function familyLoss(row: BranchRow): number | undefined {
  const label = row.facts.quantisation?.value ?? '';
  if (!isOneGguf(row)) return undefined;
  const family = /^(Q[2-6]_K)_(?:L|XL|XXL|P)$/.exec(label)?.[1];
  if (family === undefined) return undefined;
  return (
    ADDED_PERPLEXITY.get(`${family}_L`) ?? ADDED_PERPLEXITY.get(`${family}_M`) ?? ADDED_PERPLEXITY.get(family)
  );
}

/** Interpolates the logarithm of the loss linearly between two measured widths. */
function lossOfBits(bits: number): number {
  if (bits <= 0) return Number.MAX_VALUE;
  const [first, last] = [BY_BITS[0]!, BY_BITS.at(-1)!];
  if (bits <= first[0]) return first[1] * (first[0] / bits) ** 10;
  if (bits >= last[0]) return last[1] * (last[0] / bits);
  const above = BY_BITS.findIndex(([known]) => known >= bits);
  const [[lowBits, low], [highBits, high]] = [BY_BITS[above - 1]!, BY_BITS[above]!];
  const share = (bits - lowBits) / (highBits - lowBits);
  return Math.exp(Math.log(low) + share * (Math.log(high) - Math.log(low)));
}

/** Bits per weight; of formats without quantisation, the width of their dtype. */
export function widthOf({ facts }: BranchRow): number {
  const { bitsPerWeight, bits, method, dtype } = facts;
  if (method?.value === 'gguf' || bits === undefined) {
    if (bitsPerWeight !== undefined) return bitsPerWeight.value;
    if (bits === undefined) return dtype?.value === 'float32' ? 32 : dtype === undefined ? 0 : 16;
  }
  return bits?.value ?? 0;
}
