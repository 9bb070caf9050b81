import type { BranchRow, FormatShare } from '../model/branch-facts.ts';
import { parseGgufName } from '../model/gguf-name.ts';
import type { RemoteFile } from '../model/remote-file.ts';
import { weightFormat } from '../model/weight-format.ts';
import { setBytes, type WeightSet } from '../model/weight-set.ts';
import type { Card } from './card.ts';
import type { BranchSubject } from './describe-branch.ts';
import { type Finding, mergeFindings, type PlainFacts } from './fact-list.ts';
import { readGgufHeader } from './gguf-header.ts';
import { attempt } from './small-files.ts';

/** Headers have megabytes because of the vocabulary, so the table reads one of them; all quantisations share its shape. */
const MAX_HEADERS_WHOLE = 16;

interface Base {
  readonly subject: BranchSubject;
  readonly card: Card;
  readonly problems: readonly string[];
  readonly formats: readonly FormatShare[];
}

type Sets = readonly WeightSet<RemoteFile>[];

/** One row per quantisation; parts of one file and the projector belong to it. */
export async function ggufRows(sets: Sets, base: Base, small: readonly Finding[]): Promise<BranchRow[]> {
  if (sets.length === 0) return [];
  const { subject } = base;
  const problems: string[] = [];
  const chosen = subject.whole ? sets.slice(0, MAX_HEADERS_WHOLE) : [cheapest(sets)];
  const headers = new Map(
    await Promise.all(chosen.map(async (set) => [set, await headerOf(set, subject, problems)] as const)),
  );
  const [sample, sampleSet] = firstKnown(headers);
  return sets.map((set) => {
    const own = headers.get(set);
    const problemsHere = [
      ...base.problems,
      ...problems.filter((problem) => set.files.some(({ path }) => problem.startsWith(path))),
      ...(set.missingParts > 0 ? [`${set.missingParts} of its parts are missing`] : []),
    ];
    return rowOf(set, base, problemsHere, [
      { origin: 'gguf header', facts: own ?? {} },
      { origin: 'gguf header', facts: shared(sample, own === undefined && set !== sampleSet) },
      ...small,
    ]);
  });
}

function rowOf(set: WeightSet<RemoteFile>, base: Base, problems: string[], findings: Finding[]): BranchRow {
  const { card } = base;
  const { kind, revision, commit, date, files } = base.subject;
  const [first] = set.files;
  const name = first === undefined ? undefined : parseGgufName(first.path);
  const label = name?.quantisation;
  const stem = name?.whole.slice(name.whole.lastIndexOf('/') + 1) ?? '';
  const about = card.rows.get(stem) ?? {};
  const weightBytes = setBytes(set);
  const parameters = findings.map(({ facts }) => facts.parameters).find((count) => count !== undefined);
  const merged = mergeFindings([
    ...findings,
    { origin: 'computed', facts: { bitsPerWeight: bitsPerWeight(set, parameters) } },
    { origin: 'card', facts: { ...about, bits: undefined } },
    { origin: 'card', facts: card.about },
    { origin: 'name', facts: { method: 'gguf', quantisation: label, bits: bitsOfLabel(label) } },
  ]);
  const small = files.filter(({ path }) => weightFormat(path) === 'other');
  const chosen = [...set.files, ...(set.projector === undefined ? [] : [set.projector]), ...small];
  return {
    kind,
    revision,
    commit,
    date,
    variant: set.label,
    files: chosen.map(({ path, size }) => ({ path, size })),
    bytes: chosen.reduce((sum, { size }) => sum + size, 0),
    weightBytes,
    formats: base.formats,
    problems,
    ...merged,
  };
}

/** The smallest file in one piece: only the header of a whole one counts all parameters. */
function cheapest(sets: Sets): WeightSet<RemoteFile> {
  const whole = sets.filter((set) => set.files.length === 1);
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
  // Each part has only its own tensors in its header.
  return facts && (set.files.length > 1 ? { ...facts, parameters: undefined, mix: undefined } : facts);
}

function firstKnown(
  headers: ReadonlyMap<WeightSet<RemoteFile>, PlainFacts | undefined>,
): [PlainFacts, WeightSet<RemoteFile> | undefined] {
  for (const [set, facts] of headers) if (facts?.parameters !== undefined) return [facts, set];
  for (const [set, facts] of headers) if (facts !== undefined) return [facts, set];
  return [{}, undefined];
}

/** What does not depend on the quantisation. */
function shared(sample: PlainFacts, other: boolean): PlainFacts {
  if (!other) return { parameters: sample.parameters };
  return { ...sample, quantisation: undefined, mix: undefined };
}

function bitsPerWeight(set: WeightSet<RemoteFile>, parameters: number | undefined): number | undefined {
  if (parameters === undefined) return undefined;
  const bytes = set.files.reduce((sum, { size }) => sum + size, 0);
  return Math.round((800 * bytes) / parameters) / 100;
}

/** `Q4_K_M` → 4, `IQ2_XS` → 2, `F16` → 16. */
function bitsOfLabel(label: string | undefined): number | undefined {
  const digits = /^(?:UD-)?(?:IQ|Q|TQ|BF|F|MXFP|NVFP)(\d+)/.exec(label ?? '')?.[1];
  return digits === undefined ? undefined : Number(digits);
}
