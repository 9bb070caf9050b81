import type { BranchRow, FormatShare, Origin } from '../model/branch-facts.ts';
import { parseGgufName } from '../model/gguf-name.ts';
import type { RemoteFile } from '../model/remote-file.ts';
import { WEIGHT_PREFERENCE, weightFormat } from '../model/weight-format.ts';
import { missingText, setBytes, type WeightSet, weightSets } from '../model/weight-set.ts';
import { isAdapterMethod } from './adapter.ts';
import { readBranchName } from './branch-name.ts';
import type { BranchSubject } from './branch-subject.ts';
import { bitsPerWeight, countParameters } from './count-parameters.ts';
import { type Finding, mergeFindings, type PlainFacts, withoutGaps } from './fact-list.ts';
import { ggufRows } from './gguf-rows.ts';
import { loadsInExllama, methodOfTensors } from './quantisation-methods.ts';
import { plainWeights, readTensors } from './read-weights.ts';
import { attempt, readSmallFiles } from './small-files.ts';

/** Headers that are read for one row of the table; for a model in more parts its index is read, in one request. */
const MAX_PARTS = 8;
const MAX_PARTS_WHOLE = 256;
const INDEX: Origin = 'model.safetensors.index.json';

/** The rows of one branch: the branch itself, and every quantisation in it that can be downloaded alone. */
export async function describeBranch(subject: BranchSubject): Promise<BranchRow[]> {
  const { files, read, whole } = subject;
  const sets = weightSets(files);
  const main = mainSet(sets);
  const indexed = (main?.loaded.length ?? 0) > MAX_PARTS;
  const [small, tensors] = await Promise.all([
    readSmallFiles(files, read, { whole, indexed, adapter: isAdapter(main) }),
    tensorsIn(main, subject),
  ]);
  const problems = [...small.problems, ...tensors.problems];
  const quantised = small.findings.find(({ facts }) => facts.method !== undefined)?.facts;
  // The parameters that a header counts come before those that the shape implies.
  const implied = small.findings.filter(({ origin }) => origin === 'computed');
  const loadedBytes = main?.loaded.reduce((sum, { size }) => sum + size, 0) ?? 0;
  const told = small.findings.filter(({ origin }) => origin !== 'computed');
  const findings: Finding[] = [
    ...trueIndex(told, loadedBytes, tensors.tensors.length > 0),
    ...tensorFindings(tensors.tensors, quantised, subject),
    ...implied,
  ];
  if (main === undefined) problems.push('no weights');
  else if (main.format !== 'gguf' && main.missingParts > 0) problems.push(missingText(main.missingParts));
  const ggufs = sets.filter(({ format }) => format === 'gguf');
  const onlyGguf = main?.format === 'gguf';
  const card = await subject.card;
  const about = card.rows.get(subject.revision) ?? {};
  const base = { subject, card, problems, formats: formatShares(files) };
  const variants = await ggufRows(ggufs, base, onlyGguf ? small.findings : []);
  if (onlyGguf && variants.length > 0) return variants;
  const merged = mergeFindings([
    ...findings,
    { origin: 'computed', facts: { bitsPerWeight: meanBits(findings) } },
    ...exllamaFindings(about, quantised),
    { origin: 'card', facts: { ...about, exllama: undefined } },
    { origin: 'card', facts: card.about },
    ...nameFindings(subject, findings),
  ]);
  const { kind, revision, commit, date } = subject;
  const row: BranchRow = {
    kind,
    revision,
    commit,
    date,
    variant: undefined,
    files: files.map(({ path, size, digest }) => ({ path, size, digest })),
    bytes: files.reduce((sum, { size }) => sum + size, 0),
    weightBytes: main === undefined ? 0 : setBytes(main),
    missingParts: main?.missingParts ?? 0,
    otherCopies: otherCopies(main),
    formats: base.formats,
    problems,
    ...merged,
  };
  return [row, ...variants];
}

/** Facts from the name of the branch; for what a quantised branch lacks, from the name of the repository. */
function nameFindings({ revision, repoName }: BranchSubject, findings: readonly Finding[]): Finding[] {
  const ofBranch = revision === 'main' ? {} : readBranchName(revision);
  const method = findings.find(({ facts }) => facts.method !== undefined)?.facts.method;
  const own: Finding = { origin: 'name', facts: ofBranch };
  if (repoName === undefined || method === undefined || method === 'none' || isAdapterMethod(method))
    return [own];
  const known = new Set([...findings, own].flatMap(({ facts }) => Object.keys(withoutGaps(facts))));
  const missing = Object.entries(readBranchName(repoName)).filter(([name]) => !known.has(name));
  return [own, { origin: 'name', facts: Object.fromEntries(missing) }];
}

/** Whether the weights are an adapter for another model. */
function isAdapter(set: WeightSet<RemoteFile> | undefined): boolean {
  const names = set?.loaded.map(({ path }) => path.slice(path.lastIndexOf('/') + 1)) ?? [];
  return names.length > 0 && names.every((name) => name.startsWith('adapter_model'));
}

function mainSet(sets: readonly WeightSet<RemoteFile>[]): WeightSet<RemoteFile> | undefined {
  for (const format of WEIGHT_PREFERENCE) {
    const found = sets.find((set) => set.format === format);
    if (found !== undefined) return found;
  }
  return sets[0];
}

/** Files of the main format that are not loaded, because other files hold the same weights. */
function otherCopies(main: WeightSet<RemoteFile> | undefined): FormatShare | undefined {
  const loaded = new Set(main?.loaded);
  const rest = (main?.files ?? []).filter((file) => !loaded.has(file));
  if (main === undefined || rest.length === 0) return undefined;
  const bytes = rest.reduce((sum, { size }) => sum + size, 0);
  return { format: main.format, files: rest.length, bytes };
}

async function tensorsIn(set: WeightSet<RemoteFile> | undefined, { read, whole }: BranchSubject) {
  const problems: string[] = [];
  const parts = set?.loaded ?? [];
  const readable = set?.format === 'safetensors' || set?.format === 'consolidated';
  if (!readable || parts.length > (whole ? MAX_PARTS_WHOLE : MAX_PARTS)) return { problems, tensors: [] };
  const tensors = await attempt(parts[0]?.path ?? '', problems, () => readTensors(parts, read));
  if (typeof tensors === 'string') problems.push(tensors);
  return { problems, tensors: typeof tensors === 'string' ? [] : (tensors ?? []) };
}

function tensorFindings(
  tensors: Awaited<ReturnType<typeof tensorsIn>>['tensors'],
  quantised: PlainFacts | undefined,
  { revision }: BranchSubject,
): Finding[] {
  if (tensors.length === 0) return [];
  const origin: Origin = 'safetensors header';
  const method = quantised?.method ?? methodOfTensors(tensors);
  const plain = { method: 'none', bits: undefined, groupSize: undefined };
  if (method === undefined)
    return [
      { origin, facts: { method: 'none', ...plainWeights(tensors), ...countParameters(tensors, plain) } },
    ];
  if (isAdapterMethod(method))
    return [{ origin, facts: { ...plainWeights(tensors), ...countParameters(tensors, plain) } }];
  const mixed = quantised?.mixedBits !== undefined;
  const group = quantised?.groupSize;
  // With several widths the number of values in a packed word is unknown.
  const bits = mixed ? undefined : (quantised?.bits ?? readBranchName(revision).bits);
  const groupSize = typeof group === 'number' ? group : undefined;
  return [{ origin, facts: { method, ...countParameters(tensors, { method, bits, groupSize }) } }];
}

/**
 * EXL2 copies the index of the model that it quantises. An index whose size does not match the files is such a copy:
 * use the size in the listing instead.
 */
function trueIndex(findings: readonly Finding[], loadedBytes: number, hasHeader: boolean): Finding[] {
  return findings.map((finding) => {
    const claimed = finding.facts.tensorBytes;
    if (finding.origin !== INDEX || claimed === undefined) return finding;
    if (claimed <= 1.25 * loadedBytes && claimed >= 0.1 * loadedBytes) return finding;
    const tensorBytes = hasHeader || loadedBytes === 0 ? undefined : loadedBytes;
    return { origin: 'tree', facts: { ...finding.facts, tensorBytes } };
  });
}

/** Bits of all tensors per parameter: more than the width of the matrices, because the other tensors are not quantised. */
function meanBits(findings: readonly Finding[]): number | undefined {
  const first = (name: 'tensorBytes' | 'parameters') =>
    findings.map(({ facts }) => facts[name]).find((value) => value !== undefined);
  const [bytes, parameters] = [first('tensorBytes'), first('parameters')];
  return bytes === undefined || parameters === undefined ? undefined : bitsPerWeight(bytes, parameters);
}

/** What the card says of ExLlama may be outdated: add today's rule, so that a difference is shown. */
function exllamaFindings(card: PlainFacts, quantised: PlainFacts | undefined): Finding[] {
  return [
    { origin: 'card', facts: { exllama: card.exllama } },
    { origin: 'rule', facts: { exllama: loadsInExllama(quantised?.method, quantised?.bits) } },
  ];
}

function formatShares(files: readonly RemoteFile[]): FormatShare[] {
  const shares = new Map<string, { files: number; bytes: number }>();
  for (const { path, size } of files) {
    const format = weightFormat(path);
    if (format === 'other' || (format === 'gguf' && parseGgufName(path).role !== 'model')) continue;
    const share = shares.get(format) ?? { files: 0, bytes: 0 };
    shares.set(format, { files: share.files + 1, bytes: share.bytes + size });
  }
  return Array.from(shares, ([format, share]) => ({ format, ...share }));
}
