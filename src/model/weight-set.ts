import { bitsOfLabel, type GgufName, modelKey, parseGgufName } from './gguf-name.ts';
import { copiesOf } from './weight-copies.ts';
import { goesWith, type WeightFormat, weightFormat } from './weight-format.ts';

interface Sized {
  readonly path: string;
  readonly size: number;
}

/** Limits for projectors per directory and for levels of directories: the listing comes from a server. */
const MAX_PROJECTORS = 50;
const MAX_DEPTH = 16;

/** Files that hold one copy of the weights together. */
export interface WeightSet<F extends Sized> {
  readonly format: WeightFormat;
  /** For GGUF files the name in `REPO:QUANTISATION`, unique in a listing. */
  readonly label: string | undefined;
  /** The quantisation from the file names; several sets may share it. */
  readonly quantisation: string | undefined;
  /** In the order of their parts. */
  readonly files: readonly F[];
  /** The files that a program loads together; the others are copies of the same weights. */
  readonly loaded: readonly F[];
  /** The image or audio encoder that is downloaded with GGUF files. */
  readonly projector: F | undefined;
  /** Parts that the names announce and the listing lacks. */
  readonly missingParts: number;
  /** The files are pieces, to be joined with `cat` before use. */
  readonly joined: boolean;
  /** Sets that share it hold the same model in other quantisations. */
  readonly model: string;
}

/** The copies of the weights in a listing: one set per format, and for GGUF one per quantisation. */
export function weightSets<F extends Sized>(files: readonly F[]): WeightSet<F>[] {
  const byFormat = new Map<WeightFormat, F[]>();
  for (const file of files) {
    const format = weightFormat(file.path);
    if (format === 'other') continue;
    const known = byFormat.get(format);
    if (known === undefined) byFormat.set(format, [file]);
    else known.push(file);
  }
  return Array.from(byFormat, ([format, members]) =>
    format === 'gguf' ? ggufSets(members) : [plainSet(format, members, files)],
  ).flat();
}

function plainSet<F extends Sized>(
  format: WeightFormat,
  files: readonly F[],
  all: readonly F[],
): WeightSet<F> {
  const { loaded, missingParts } = copiesOf(format, sortedByPath(files), all);
  return {
    format,
    label: undefined,
    quantisation: undefined,
    files: sortedByPath(files),
    loaded,
    projector: undefined,
    missingParts,
    joined: false,
    model: '',
  };
}

interface Named<F> {
  readonly file: F;
  readonly name: GgufName;
}

function ggufSets<F extends Sized>(files: readonly F[]): WeightSet<F>[] {
  const named = files.map((file) => ({ file, name: parseGgufName(file.path) }));
  const projectors = projectorsByDirectory(files);
  const groups = new Map<string, Named<F>[]>();
  for (const entry of named) {
    if (entry.name.role !== 'model') continue;
    const { whole, parts, joined, part } = entry.name;
    // A repository may have the same model in one file, in two parts, and in three.
    const key = JSON.stringify([whole.toLowerCase(), parts ?? (part === undefined ? 0 : -1), joined]);
    const known = groups.get(key);
    if (known === undefined) groups.set(key, [entry]);
    else known.push(entry);
  }
  const sets = Array.from(groups.values(), (group): WeightSet<F> => {
    const sorted = group.toSorted(
      (left, right) =>
        (left.name.part ?? 0) - (right.name.part ?? 0) || (left.file.path < right.file.path ? -1 : 1),
    );
    const members = sorted.map(({ file }) => file);
    const { name } = sorted[0]!;
    return {
      format: 'gguf',
      label: undefined,
      quantisation: name.quantisation,
      files: members,
      loaded: members,
      projector: projectorFor(name, projectors),
      missingParts: missingOf(sorted.map(({ name: one }) => one)),
      joined: name.joined,
      model: modelKey(name),
    };
  });
  const labels = distinctLabels(sets);
  return sets.map((set, index) => ({ ...set, label: labels[index] }));
}

/** The number of missing parts: of the total in the names, else the gaps up to the last part. */
function missingOf(names: readonly GgufName[]): number {
  const numbers = names.flatMap(({ part }) => part ?? []);
  if (numbers.length === 0) return 0;
  const total = names[0]?.parts ?? Math.max(...numbers) + (Math.min(...numbers) === 0 ? 1 : 0);
  return Math.max(0, total - new Set(numbers).size);
}

/** The names that can select a set, from the shortest to its path, which is unique. */
function namesOf<F extends Sized>({ quantisation, files }: WeightSet<F>): string[] {
  const path = files[0]?.path ?? '';
  const { whole } = parseGgufName(path);
  const stem = whole.replace(/\.gguf$/i, '');
  return [quantisation ?? baseName(stem), baseName(stem), stem, path];
}

/** For every set the shortest of its names that is unique. */
function distinctLabels<F extends Sized>(sets: readonly WeightSet<F>[]): string[] {
  const names = sets.map((set) => namesOf(set));
  const counts = [0, 1, 2, 3].map((level) => countNames(names.map((own) => own[level]!)));
  const chosen = names.map((own) => {
    const level = own.findIndex((name, at) => counts[at]!.get(name.toUpperCase()) === 1);
    return own.at(level)!;
  });
  const taken = countNames(chosen);
  return chosen.map((name, index) => (taken.get(name.toUpperCase()) === 1 ? name : names[index]!.at(-1)!));
}

function countNames(names: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name.toUpperCase(), (counts.get(name.toUpperCase()) ?? 0) + 1);
  return counts;
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Case does not matter: `q4_k_m` is how file names often write it. */
export function sameLabel(left: string, right: string): boolean {
  return left.toUpperCase() === right.toUpperCase();
}

/**
 * The projector of a model, chosen as in llama.cpp: from the model's directory or above, the deepest first, then the
 * nearest width. A projector with the model's name comes before those of other models in the directory.
 */
function projectorFor<F extends Sized>(
  model: GgufName,
  projectors: ReadonlyMap<string, readonly Named<F>[]>,
): F | undefined {
  const near = directoriesAbove(model.whole).flatMap((directory) => projectors.get(directory) ?? []);
  const wanted = bitsOfLabel(model.quantisation) ?? 0;
  const key = modelKey(model);
  const rank = ({ name }: Named<F>) => [
    -directoryOf(name.whole).length,
    key !== '' && baseName(name.whole).toLowerCase().includes(key) ? 0 : 1,
    Math.abs((bitsOfLabel(name.quantisation) ?? 0) - wanted),
    // Both have 16 bits; every program supports F16.
    ['F16', 'BF16'].indexOf(name.quantisation ?? '') >>> 0,
  ];
  return near.toSorted((left, right) => compareLists(rank(left), rank(right)))[0]?.file;
}

/** Projectors by directory, at most `MAX_PROJECTORS` each. */
function projectorsByDirectory<F extends Sized>(files: readonly F[]): Map<string, Named<F>[]> {
  const directories = new Map<string, Named<F>[]>();
  for (const file of sortedByPath(files)) {
    const name = parseGgufName(file.path);
    if (name.role !== 'projector') continue;
    const directory = directoryOf(name.whole);
    const known = directories.get(directory);
    if (known === undefined) directories.set(directory, [{ file, name }]);
    else if (known.length < MAX_PROJECTORS) known.push({ file, name });
  }
  return directories;
}

/** `a/b/`, `a/` and the root of `a/b/c`. */
function directoriesAbove(path: string): string[] {
  const segments = path.split('/').slice(0, -1).slice(0, MAX_DEPTH);
  return [...segments.map((_, index) => `${segments.slice(0, index + 1).join('/')}/`), ''];
}

/** `a/b/` of `a/b/c`; empty at the root. */
function directoryOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/') + 1);
}

function compareLists(left: readonly number[], right: readonly number[]): number {
  const index = left.findIndex((value, at) => value !== right[at]);
  return index < 0 ? 0 : left[index]! - right[index]!;
}

function sortedByPath<F extends Sized>(files: readonly F[]): F[] {
  return files.toSorted((left, right) => (left.path < right.path ? -1 : left.path > right.path ? 1 : 0));
}

/** Bytes of the loaded files: one copy of the weights, and the projector. */
export function setBytes(set: WeightSet<Sized>): number {
  return set.loaded.reduce((sum, { size }) => sum + size, set.projector?.size ?? 0);
}

/** All files of one GGUF quantisation: its parts, its projector, and the files of the revision without weights. */
export function filesOfSet<F extends Sized>(set: WeightSet<F>, files: readonly F[]): F[] {
  const kept = new Set([...set.files, ...(set.projector === undefined ? [] : [set.projector])]);
  return files.filter((file) => kept.has(file) || goesWith(file.path, set.quantisation));
}

/** `2 of its parts are missing`. */
export function missingText(count: number): string {
  return `${count} of its parts ${count === 1 ? 'is' : 'are'} missing`;
}
