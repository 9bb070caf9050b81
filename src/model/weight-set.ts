import { parseGgufName } from './gguf-name.ts';
import { type WeightFormat, weightFormat } from './weight-format.ts';

interface Sized {
  readonly path: string;
  readonly size: number;
}

/** Files that hold one copy of the weights together. */
export interface WeightSet<F extends Sized> {
  readonly format: WeightFormat;
  /** Of a GGUF file: what `REPO:QUANTISATION` selects it by. */
  readonly label: string | undefined;
  readonly files: readonly F[];
  /** Image or audio encoders that go with every GGUF file of the revision; the one that is taken with this set. */
  readonly projector: F | undefined;
  /** Parts that the names announce and the listing lacks. */
  readonly missingParts: number;
}

/** The copies of the weights in a listing: one per format, and for GGUF one per quantisation. */
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
    format === 'gguf' ? ggufSets(members) : [plainSet(format, members)],
  ).flat();
}

function plainSet<F extends Sized>(format: WeightFormat, files: readonly F[]): WeightSet<F> {
  return { format, label: undefined, files: sortedByPath(files), projector: undefined, missingParts: 0 };
}

function ggufSets<F extends Sized>(files: readonly F[]): WeightSet<F>[] {
  const named = files.map((file) => ({ file, name: parseGgufName(file.path) }));
  const projectors = named.filter(({ name }) => name.role === 'projector');
  const projector = preferredProjector(projectors.map(({ file }) => file));
  const groups = new Map<string, typeof named>();
  for (const entry of named) {
    if (entry.name.role !== 'model') continue;
    const group = groups.get(entry.name.whole);
    if (group === undefined) groups.set(entry.name.whole, [entry]);
    else group.push(entry);
  }
  const labels = Array.from(groups.values(), ([first]) => first!.name.quantisation);
  return Array.from(groups, ([whole, group]) => {
    const { quantisation, parts } = group[0]!.name;
    const unique =
      quantisation !== undefined && labels.filter((label) => label === quantisation).length === 1;
    return {
      format: 'gguf',
      // Two models of one quantisation are told apart by their names.
      label: unique ? quantisation : whole.slice(whole.lastIndexOf('/') + 1).replace(/\.gguf$/i, ''),
      files: sortedByPath(group.map(({ file }) => file)),
      projector,
      missingParts: parts === undefined ? 0 : Math.max(0, parts - group.length),
    };
  });
}

/** Half precision is what the encoders are meant to run in; the largest of the others otherwise. */
function preferredProjector<F extends Sized>(files: readonly F[]): F | undefined {
  const rank = (file: F) => ['F16', 'BF16'].indexOf(parseGgufName(file.path).quantisation ?? '') >>> 0;
  return files.toSorted((left, right) => rank(left) - rank(right) || right.size - left.size)[0];
}

function sortedByPath<F extends Sized>(files: readonly F[]): F[] {
  return files.toSorted((left, right) => (left.path < right.path ? -1 : left.path > right.path ? 1 : 0));
}

export function setBytes(set: WeightSet<Sized>): number {
  return set.files.reduce((sum, { size }) => sum + size, set.projector?.size ?? 0);
}
