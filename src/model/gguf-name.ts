/** What the path of a GGUF file says. */
export interface GgufName {
  /** `Q4_K_M` in upper case; undefined where the name has none. */
  readonly quantisation: string | undefined;
  /** The path without the number of the part: parts of one file share it. */
  readonly whole: string;
  /** From 1; undefined for a file in one piece. */
  readonly part: number | undefined;
  readonly parts: number | undefined;
  readonly role: 'model' | 'projector' | 'matrix';
}

const SPLIT = /-(\d{5})-of-(\d{5})(?=\.gguf$)/i;
/** How files were cut before llama.cpp could do it. */
const OLD_SPLIT = /\.gguf-split-([a-z])$/i;
const LABEL =
  /(?:^|[-._/])((?:UD-)?(?:IQ[1-4]_(?:XXS|XS|NL|S|M)|Q[1-8]_K(?:_(?:XXL|XL|XS|L|M|S))?|Q[1-8]_[01](?:_\d+){0,2}|TQ[12]_0|MXFP4(?:_MOE)?|NVFP4|BF16|FP?16|FP?32))(?=$|[-._/])/gi;

/** Reads the quantisation, the split and the role out of a path; the file name counts before its folder. */
export function parseGgufName(path: string): GgufName {
  const split = SPLIT.exec(path);
  const oldSplit = OLD_SPLIT.exec(path);
  const whole = path.replace(SPLIT, '').replace(OLD_SPLIT, '.gguf');
  const slash = whole.lastIndexOf('/');
  const name = whole.slice(slash + 1).replace(/\.gguf$/i, '');
  const label = lastLabel(name) ?? (slash < 0 ? undefined : lastLabel(whole.slice(0, slash)));
  return {
    quantisation: label,
    whole,
    part: split ? Number(split[1]) : oldSplit ? oldSplit[1]!.toLowerCase().charCodeAt(0) - 96 : undefined,
    parts: split ? Number(split[2]) : undefined,
    role: /mmproj/i.test(name) ? 'projector' : /imatrix/i.test(name) ? 'matrix' : 'model',
  };
}

function lastLabel(text: string): string | undefined {
  const label = Array.from(text.matchAll(LABEL), ([, found]) => found).at(-1);
  return label?.toUpperCase().replace(/^FP(?=16|32)/, 'F');
}
