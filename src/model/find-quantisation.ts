import { lastLabel, parseGgufName } from './gguf-name.ts';
import { sameLabel, type WeightSet, weightSets } from './weight-set.ts';

interface Sized {
  readonly path: string;
  readonly size: number;
}

/** The GGUF sets of a listing that match the name in `REPO:NAME`: several where the name is ambiguous. */
export interface FoundQuantisation<F extends Sized> {
  readonly matches: readonly WeightSet<F>[];
  /** All GGUF sets of the listing. */
  readonly sets: readonly WeightSet<F>[];
}

/** The quantisations that llama.cpp and the Hub prefer for `latest` and an empty tag. */
const LATEST = ['Q4_K_M', 'Q8_0'];

/**
 * Finds the GGUF files that a name selects. In this order: our own label; the name of a file, with or without its extension; the rule
 * of llama.cpp (the name followed by `.` or `-` anywhere in the path, in any case), so that `Q4_K_M` finds `UD-Q4_K_M` where
 * there is no other; `latest`. Unlike in llama.cpp, a name matches whole words only: `Q4_K` does not match `IQ4_K`.
 */
export function findQuantisation<F extends Sized>(files: readonly F[], name: string): FoundQuantisation<F> {
  const sets = weightSets(files).filter(({ format }) => format === 'gguf');
  for (const rule of [byLabel, byFileName, byTag]) {
    const matches = rule(sets, name);
    if (matches.length > 0) return { matches: oneForm(matches), sets };
  }
  if (!sameLabel(name, 'latest')) return { matches: [], sets };
  for (const usual of LATEST) {
    const [first] = [...byLabel(sets, usual), ...byTag(sets, usual)];
    if (first !== undefined) return { matches: [first], sets };
  }
  const first = sets.find(({ missingParts }) => missingParts === 0) ?? sets[0];
  return { matches: first === undefined ? [] : [first], sets };
}

type Rule = <F extends Sized>(sets: readonly WeightSet<F>[], name: string) => WeightSet<F>[];

const byLabel: Rule = (sets, name) =>
  sets.filter(({ label }) => label !== undefined && sameLabel(label, name));

const byFileName: Rule = (sets, name) =>
  sets.filter(({ files }) =>
    files.some(({ path }) => {
      const { whole } = parseGgufName(path);
      const stem = whole.replace(/\.gguf$/i, '');
      return [path, whole, stem].some(
        (one) => sameLabel(one, name) || sameLabel(one.slice(one.lastIndexOf('/') + 1), name),
      );
    }),
  );

const byTag: Rule = (sets, name) => {
  const tag = name.slice(0, 200).replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const pattern = new RegExp(`(?<![a-z0-9_])${tag}[.-]`, 'i');
  return sets.filter(({ files, quantisation }) => {
    const path = files[0]?.path ?? '';
    if (!pattern.test(path)) return false;
    // The name of a quantisation finds only files of that quantisation, even if their paths contain others.
    const asked = lastLabel(name);
    return (
      asked === undefined ||
      quantisation === undefined ||
      `-${quantisation.toUpperCase()}`.endsWith(`-${asked.toUpperCase()}`)
    );
  });
};

/**
 * Several sets of one quantisation and one model are one match: the first complete one, as in llama.cpp, and
 * `x-Q8_0` before `x-MTP-Q8_0`. Sets of different models stay ambiguous.
 */
function oneForm<F extends Sized>(matches: readonly WeightSet<F>[]): readonly WeightSet<F>[] {
  const shortest = matches.toSorted((left, right) => left.model.length - right.model.length)[0];
  if (matches.length < 2 || shortest === undefined || shortest.model === '') return matches;
  const isPlain = matches.every(
    ({ model, quantisation }) =>
      quantisation === shortest.quantisation &&
      (model === shortest.model || /^[-._]/.test(model.slice(shortest.model.length))) &&
      model.startsWith(shortest.model),
  );
  if (!isPlain) return matches;
  const same = matches.filter(({ model }) => model === shortest.model);
  return [same.find(({ missingParts }) => missingParts === 0) ?? shortest];
}

/** The draft heads of the named quantisation, which cannot run alone. */
export function draftsNamed(files: readonly Sized[], name: string): string[] {
  return files
    .map(({ path }) => path)
    .filter((path) => {
      const { role, quantisation } = parseGgufName(path);
      return role === 'draft' && quantisation !== undefined && sameLabel(quantisation, name);
    });
}
