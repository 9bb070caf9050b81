import type { BranchRow, FormatShare } from '../model/branch-facts.ts';
import { bitsOfLabel, parseGgufName } from '../model/gguf-name.ts';
import type { RemoteFile } from '../model/remote-file.ts';
import { goesWith, weightFormat } from '../model/weight-format.ts';
import { missingText, setBytes, type WeightSet } from '../model/weight-set.ts';
import type { BranchSubject } from './branch-subject.ts';
import { type Card, cardRow } from './card.ts';
import { bitsPerWeight } from './count-parameters.ts';
import { type Finding, mergeFindings, type PlainFacts } from './fact-list.ts';
import { readGgufHeader } from './gguf-header.ts';
import { attempt } from './small-files.ts';

/** A header has megabytes, because it contains the vocabulary: the table reads one per model, whose quantisations share its shape. */
const MAX_HEADERS = 4;
const MAX_HEADERS_WHOLE = 16;

interface Base {
  readonly subject: BranchSubject;
  readonly card: Card;
  readonly problems: readonly string[];
  readonly formats: readonly FormatShare[];
}

type Sets = readonly WeightSet<RemoteFile>[];

/** One row per quantisation, with all of its parts and its projector. */
export async function ggufRows(sets: Sets, base: Base, small: readonly Finding[]): Promise<BranchRow[]> {
  if (sets.length === 0) return [];
  const { subject } = base;
  const problems: string[] = [];
  const chosen = subject.whole ? sets.slice(0, MAX_HEADERS_WHOLE) : samples(sets);
  const headers = new Map(
    await Promise.all(chosen.map(async (set) => [set, await headerOf(set, subject, problems)] as const)),
  );
  const others = subject.files.filter(({ path }) => weightFormat(path) === 'other');
  return sets.map((set) => {
    const own = headers.get(set);
    const [sample, sampleSet] = firstKnown(headers, set.model);
    const problemsHere = [
      ...base.problems,
      ...problems.filter((problem) => set.files.some(({ path }) => problem.startsWith(path))),
      ...(set.missingParts > 0 ? [missingText(set.missingParts)] : []),
      ...(set.joined ? [`its ${set.files.length} parts have to be joined with cat before use`] : []),
    ];
    return rowOf(set, base, others, problemsHere, [
      { origin: 'gguf header', facts: withLabel(own ?? {}, set.quantisation) },
      { origin: 'gguf header', facts: shared(sample, own === undefined && set !== sampleSet) },
      ...small,
    ]);
  });
}

/** The cheapest file of each model, for the first `MAX_HEADERS` models. */
function samples(sets: Sets): WeightSet<RemoteFile>[] {
  const models = new Set(sets.map(({ model }) => model));
  return Array.from(models)
    .slice(0, MAX_HEADERS)
    .map((model) => cheapest(sets.filter((set) => set.model === model)));
}

function rowOf(
  set: WeightSet<RemoteFile>,
  base: Base,
  others: readonly RemoteFile[],
  problems: string[],
  findings: Finding[],
): BranchRow {
  const { card } = base;
  const { kind, revision, commit, date } = base.subject;
  const [first] = set.files;
  const name = first === undefined ? undefined : parseGgufName(first.path);
  const label = name?.quantisation;
  const stem = name?.whole.slice(name.whole.lastIndexOf('/') + 1) ?? '';
  const about = cardRow(card, stem, label) ?? {};
  const weightBytes = setBytes(set);
  const bytes = set.files.reduce((sum, { size }) => sum + size, 0);
  const parameters = findings.map(({ facts }) => facts.parameters).find((count) => count !== undefined);
  const merged = mergeFindings([
    ...findings,
    { origin: 'computed', facts: { bitsPerWeight: parameters && bitsPerWeight(bytes, parameters) } },
    { origin: 'card', facts: { ...about, bits: undefined } },
    { origin: 'card', facts: card.about },
    { origin: 'name', facts: { method: 'gguf', quantisation: label, bits: bitsOfLabel(label) } },
  ]);
  const chosen = [
    ...set.files,
    ...(set.projector === undefined ? [] : [set.projector]),
    ...others.filter(({ path }) => goesWith(path, set.quantisation)),
  ];
  return {
    kind,
    revision,
    commit,
    date,
    variant: set.label,
    files: chosen.map(({ path, size, digest }) => ({ path, size, digest })),
    bytes: chosen.reduce((sum, { size }) => sum + size, 0),
    weightBytes,
    missingParts: set.missingParts,
    formats: base.formats,
    problems,
    ...merged,
  };
}

/** The smallest file in one part: only the header of a whole file counts all parameters. */
function cheapest(sets: Sets): WeightSet<RemoteFile> {
  const whole = sets.filter((set) => set.files.length === 1 || set.joined);
  return (whole.length > 0 ? whole : sets).toSorted((left, right) => setBytes(left) - setBytes(right))[0]!;
}

async function headerOf(
  set: WeightSet<RemoteFile>,
  { read }: BranchSubject,
  problems: string[],
): Promise<PlainFacts | undefined> {
  const [file] = set.files;
  if (file === undefined) return undefined;
  const facts = await attempt(file.path, problems, () =>
    readGgufHeader(file.size, (start, end) => read(file, start, end)),
  );
  // The header of a part made by llama.cpp lists only the tensors of that part.
  return (
    facts &&
    (set.files.length > 1 && !set.joined ? { ...facts, parameters: undefined, mix: undefined } : facts)
  );
}

function firstKnown(
  headers: ReadonlyMap<WeightSet<RemoteFile>, PlainFacts | undefined>,
  model: string,
): [PlainFacts, WeightSet<RemoteFile> | undefined] {
  const same = Array.from(headers).filter(([set]) => set.model === model);
  for (const [set, facts] of same) if (facts?.parameters !== undefined) return [facts, set];
  for (const [set, facts] of same) if (facts !== undefined) return [facts, set];
  return [{}, undefined];
}

/** Headers know only the types of llama.cpp: `Q6_K` where the name says `Q6_K_P`, `Q4_K_M` for most `UD-` files. */
function withLabel(facts: PlainFacts, label: string | undefined): PlainFacts {
  const type = facts.quantisation;
  if (type === undefined || label === undefined || type === label) return facts;
  return label.startsWith('UD-') || label.startsWith(`${type}_`)
    ? { ...facts, quantisation: undefined }
    : facts;
}

/** The facts that do not depend on the quantisation. */
function shared(sample: PlainFacts, other: boolean): PlainFacts {
  if (!other) return { parameters: sample.parameters };
  return { ...sample, quantisation: undefined, mix: undefined };
}
