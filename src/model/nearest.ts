/** Only this many characters of the beginning and of the end of a name are compared. */
const HEAD = 64;
const TAIL = 32;
/** Names that are less similar are not suggested. */
const WORST_SCORE = 0.4;

interface Scored {
  readonly candidate: string;
  readonly score: number;
}

/**
 * The candidates most similar to `word`, best first; ties keep their order. Two names are similar if few typing mistakes
 * lie between them, or if they share most of their parts (`gptq`, `8bit`, `32g`), ignoring case. Takes time linear in
 * the number of candidates, whatever their length.
 */
export function nearest(word: string, candidates: Iterable<string>, limit = 3): string[] {
  if (limit < 1) return [];
  const wanted = new Shape(word);
  const best: Scored[] = [];
  for (const candidate of new Set(candidates)) {
    const floor = best.length < limit ? WORST_SCORE : best[best.length - 1]!.score;
    const score = candidate === word ? 2 : similarity(wanted, new Shape(candidate), floor);
    if (best.length < limit ? score < floor : score <= floor) continue;
    const place = best.findIndex((other) => other.score < score);
    best.splice(place < 0 ? best.length : place, 0, { candidate, score });
    if (best.length > limit) best.pop();
  }
  return best.map((scored) => scored.candidate);
}

/** For a hint: the names that are nearest, or else the first ones. There must be some. */
export function suggestion(word: string, names: readonly string[], limit: number): string {
  const close = nearest(word, names, limit);
  return close.length > 0
    ? `Nearest: ${close.join(', ')}.`
    : `There are: ${names.slice(0, limit).join(', ')}.`;
}

/** A name prepared for comparison: lower case, of bounded length, split into parts. */
class Shape {
  readonly text: string;
  readonly parts: ReadonlySet<string>;

  constructor(name: string) {
    const short = name.length <= HEAD + TAIL ? name : name.slice(0, HEAD) + name.slice(-TAIL);
    this.text = short.toLowerCase();
    this.parts = new Set(this.text.split(/[^\p{L}\p{N}]+/u).filter((part) => part !== ''));
  }
}

/** 0 to 1. Below `floor` the value may be too small. */
function similarity(wanted: Shape, other: Shape, floor: number): number {
  // Below 1, because equal case is better.
  if (wanted.text === other.text) return 0.99;
  let best = 0.95 * sharedParts(wanted.parts, other.parts);
  if (wanted.text.length > 1 && other.text.includes(wanted.text)) {
    best = Math.max(best, 0.6 + (0.3 * wanted.text.length) / other.text.length);
  }
  const longest = Math.max(wanted.text.length, other.text.length);
  const allowed = Math.floor((1 - Math.max(best, floor)) * longest);
  if (Math.abs(wanted.text.length - other.text.length) > allowed) return best;
  return Math.max(best, 1 - editDistance(wanted.text, other.text, allowed) / longest);
}

/** Twice the common parts over all parts (Dice): 1 when they are the same parts in any order. */
function sharedParts(left: ReadonlySet<string>, right: ReadonlySet<string>): number {
  if (left.size === 0 || right.size === 0) return 0;
  let common = 0;
  for (const part of left) if (right.has(part)) common += 1;
  return (2 * common) / (left.size + right.size);
}

/**
 * The number of insertions, deletions, replacements and swaps of neighbours between two texts (Damerau-Levenshtein, each
 * place edited once). Returns the length of the longer text once the distance exceeds `allowed`.
 */
export function editDistance(
  left: string,
  right: string,
  allowed: number = Number.POSITIVE_INFINITY,
): number {
  const width = right.length + 1;
  let beforeLast = new Uint16Array(width);
  let last = Uint16Array.from({ length: width }, (_, index) => index);
  let row = new Uint16Array(width);
  for (let i = 1; i <= left.length; i += 1) {
    const code = left.charCodeAt(i - 1);
    const codeBefore = left.charCodeAt(i - 2);
    row[0] = i;
    let smallest = i;
    for (let j = 1; j < width; j += 1) {
      const other = right.charCodeAt(j - 1);
      let cost = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (code === other ? 0 : 1));
      if (i > 1 && j > 1 && code === right.charCodeAt(j - 2) && codeBefore === other) {
        cost = Math.min(cost, beforeLast[j - 2]! + 1);
      }
      row[j] = cost;
      if (cost < smallest) smallest = cost;
    }
    if (smallest > allowed) return Math.max(left.length, right.length);
    [beforeLast, last, row] = [last, row, beforeLast];
  }
  return last[width - 1]!;
}
