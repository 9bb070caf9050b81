/** The facts in the path of a GGUF file. */
export interface GgufName {
  /** `Q4_K_M` in upper case; undefined if the name has none. */
  readonly quantisation: string | undefined;
  /** The path without the number of the part: parts of one file share it. */
  readonly whole: string;
  /** From 0 or 1; undefined for a file in one piece. */
  readonly part: number | undefined;
  /** Number of parts; undefined if the name does not tell. */
  readonly parts: number | undefined;
  /** The parts must be joined with `cat`; llama.cpp opens its own parts without that. */
  readonly joined: boolean;
  readonly role: 'model' | 'projector' | 'draft' | 'matrix';
}

interface Split {
  readonly whole: string;
  readonly part?: number | undefined;
  readonly parts?: number | undefined;
  readonly joined: boolean;
}

/** Parts made by llama.cpp: each is a GGUF file. */
const SPLIT = /-(\d{5})-of-(\d{5})(?=\.gguf$)/i;
/** Byte ranges numbered before the extension: `-chunk-001-of-018.gguf`, `.part1of2.gguf`. */
const PIECE_BEFORE = /[-._](?:chunk|part|piece|split)[-._]?(\d{1,5})[-_.]?of[-_.]?(\d{1,5})(?=\.gguf$)/i;
/** The same after the extension: `.gguf.part1of2`, `.gguf-split-a`, `.gguf.part-aa`, `.gguf.a`, `.gguf.001`, `.gguf-00001-of-00002`. */
const PIECE_BEHIND =
  /(?<=\.gguf)(?:[-._](?:chunk|part|piece|split)[-._]?(?:(\d{1,5})(?:[-_.]?of[-_.]?(\d{1,5}))?|([a-z]{1,3}))|[-._](\d{1,5})(?:[-_.]?of[-_.]?(\d{1,5}))?|[-._](a{0,2}[a-z]))$/i;

/** Whether a path is that of a GGUF file or of a piece of one. */
export function isGguf(path: string): boolean {
  return /\.gguf$/i.test(path) || PIECE_BEHIND.test(path);
}

function splitPoint(path: string): Split {
  const split = SPLIT.exec(path);
  if (split !== null)
    return { whole: path.replace(SPLIT, ''), part: Number(split[1]), parts: Number(split[2]), joined: false };
  const before = PIECE_BEFORE.exec(path);
  if (before !== null)
    return {
      whole: path.replace(PIECE_BEFORE, ''),
      part: Number(before[1]),
      parts: Number(before[2]),
      joined: true,
    };
  const behind = PIECE_BEHIND.exec(path);
  if (behind === null) return { whole: path, joined: false };
  const digits = behind[1] ?? behind[4];
  const total = behind[2] ?? behind[5];
  return {
    whole: path.replace(PIECE_BEHIND, ''),
    part: digits === undefined ? letterNumber(behind[3] ?? behind[6] ?? 'a') : Number(digits),
    parts: total === undefined ? undefined : Number(total),
    joined: true,
  };
}

/** `a` is 1, `b` 2; `aa` 1, `ab` 2, as `split` counts. */
function letterNumber(letters: string): number {
  const value = Array.from(letters.toLowerCase()).reduce(
    (sum, letter) => sum * 26 + letter.charCodeAt(0) - 97,
    0,
  );
  return value + 1;
}

/**
 * A quantisation with its suffix up to the next `-` or `.`, where llama.cpp ends a tag:
 * `Q6_K_P`, `Q4_K_R4` and `Q1_0_g128` differ from `Q6_K`, `Q4_K` and `Q1_0`. A prefix `UD-` or a recipe of ik_llama.cpp
 * is part of it.
 */
const LABEL =
  /(?:^|[-._/])((?:(?:UD|smol|pure|mainline)-)?(?:[A-Z]{0,2}Q[1-9]\d?(?:_[A-Z0-9_]*[A-Z0-9])?|(?:MX|NV)?FP[468](?:_[A-Z0-9_]*[A-Z0-9])?|BF16|FP?16|FP?32|FP?64))(?=$|[-./])/gi;

/** Characters of a name that are read; no file system allows longer names. */
const MAX_NAME = 1000;

/** Draft heads for speculative decoding, by the lower-case words that llama.cpp uses: `-MTP-` is often a whole model. */
const DRAFT = /(?:mtp|eagle3|dflash|dspark)-/;

/** Reads the quantisation, the split and the role from a path; the file name takes precedence over its directory. */
export function parseGgufName(path: string): GgufName {
  const { whole, part, parts, joined } = splitPoint(path);
  const slash = whole.lastIndexOf('/');
  const name = whole.slice(slash + 1).replace(/\.gguf$/i, '');
  const label = lastLabel(name) ?? (slash < 0 ? undefined : lastLabel(whole.slice(0, slash)));
  return { quantisation: label, whole, part, parts, joined, role: roleOf(name) };
}

function roleOf(name: string): GgufName['role'] {
  if (/mmproj/i.test(name)) return 'projector';
  // `imatrix_unsloth`, `NAME-imatrix`; in the middle of a name it describes how the model was quantised.
  const isMatrix = /^imatrix(?![a-z])|(?<![a-z])imatrix$/i.test(name);
  if (isMatrix || (/imatrix/i.test(name) && lastLabel(name) === undefined)) return 'matrix';
  return DRAFT.test(name) ? 'draft' : 'model';
}

/** The quantisation that a text names last. */
export function lastLabel(text: string): string | undefined {
  const label = Array.from(text.slice(-MAX_NAME).matchAll(LABEL), ([, found]) => found).at(-1);
  return label === undefined ? undefined : spell(label);
}

function spell(label: string): string {
  const upper = label.toUpperCase().replace(/^FP(?=16|32|64)/, 'F');
  return upper
    .replace(/^(SMOL|PURE|MAINLINE)-/, (prefix) => prefix.toLowerCase())
    .replace(/_G(?=\d+$)/, '_g');
}

/** `Q4_K_M` → 4, `IQ2_XS` → 2, `F16` → 16. */
export function bitsOfLabel(label: string | undefined): number | undefined {
  const digits = /^(?:[A-Za-z]+-)?[A-Z]*?(?:Q|BF|FP|F)(\d+)/.exec(label ?? '')?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** The name of the model without its quantisation: files that share it hold the same model. */
export function modelKey({ whole }: GgufName): string {
  const name = whole.slice(whole.lastIndexOf('/') + 1).replace(/\.gguf$/i, '');
  return name.slice(-MAX_NAME).replace(LABEL, '').toLowerCase();
}
