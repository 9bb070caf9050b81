import type { BranchRow } from '../model/branch-facts.ts';
import { bitsOfLabel } from '../model/gguf-name.ts';
import type { JsonRecord } from '../model/json.ts';
import type { RemoteFile } from '../model/remote-file.ts';
import { weightFormat } from '../model/weight-format.ts';
import { bitsPerWeight } from './count-parameters.ts';
import { type Finding, mergeFindings, type PlainFacts } from './fact-list.ts';
import { readGgufHeader } from './gguf-header.ts';
import { integerAt, parseRecord, recordAt, textAt } from './json.ts';
import type { ReadFile } from './read-weights.ts';
import { attempt } from './small-files.ts';

const MAX_CONFIG_BYTES = 4_000_000;
const MAX_TEXT_BYTES = 20_000;
/** Further licences are not printed. */
const MAX_LICENCES = 10;

/** Small layers whose content is a fact. The licences are read only for the view of one tag. */
const TEXTS = [
  ['template', 'template'],
  ['system', 'system'],
  ['params', 'params.json'],
  ['messages', 'messages.json'],
] as const;

/** A manifest of a registry, and what is needed to describe it. */
export interface TagSubject {
  readonly kind: BranchRow['kind'];
  readonly revision: string;
  /** `sha256:…` of the manifest. */
  readonly commit: string;
  readonly files: readonly RemoteFile[];
  readonly read: ReadFile;
  /** Also read the licences and the header of the weights, which takes more requests. */
  readonly whole: boolean;
}

/**
 * Describes one manifest by its config and its small layers; with `whole`, by its licences and the header of its
 * weights too.
 */
export async function describeTag(subject: TagSubject): Promise<BranchRow> {
  const { kind, revision, commit, files, read, whole } = subject;
  const problems: string[] = [];
  const byPath = new Map(files.map((file) => [file.path, file]));
  const textOf = async (path: string): Promise<string | undefined> => {
    const file = byPath.get(path);
    if (file === undefined || file.size === 0) return undefined;
    const bytes = await attempt(path, problems, () => read(file, 0, Math.min(file.size, MAX_TEXT_BYTES)));
    return bytes && new TextDecoder().decode(bytes).trim();
  };
  const weights = weightFiles(files);
  const [config, header, licences, ...texts] = await Promise.all([
    configOf(byPath, read, problems),
    whole ? headerOf(weights, read, problems) : undefined,
    whole ? Promise.all(licenceFiles(files).map(({ path }) => textOf(path))) : [],
    ...TEXTS.map(([, path]) => textOf(path)),
  ]);
  const licence = licences.filter((text) => text !== undefined).join('\n\n');
  const facts = config === undefined ? {} : configFacts(config);
  const label = facts.quantisation;
  const weightBytes = weights.reduce((sum, { size }) => sum + size, 0);
  const parameters = header?.parameters ?? facts.parameters;
  const merged = mergeFindings([
    // The header counts the parameters; the config only has a rounded name for their number.
    { origin: 'gguf header', facts: { parameters: header?.parameters } },
    { origin: 'config blob', facts },
    ...TEXTS.map(([name, path], index): Finding => ({ origin: path, facts: { [name]: texts[index] } })),
    { origin: 'license', facts: { licenseText: licence === '' ? undefined : licence } },
    // The config has the registry's own words (`4-bit`) and comes first; the header fills in the rest.
    {
      origin: 'gguf header',
      facts: { ...header, quantisation: label === undefined ? header?.quantisation : undefined },
    },
    { origin: 'computed', facts: { bitsPerWeight: parameters && bitsPerWeight(weightBytes, parameters) } },
    { origin: 'name', facts: { bits: bitsOf(label) } },
  ]);
  if (weightBytes === 0) problems.push('no weights');
  const format = facts.format ?? formatOf(weights);
  return {
    kind,
    revision,
    commit,
    date: undefined,
    variant: undefined,
    files: files.map(({ path, size, digest }) => ({ path, size, digest })),
    bytes: files.reduce((sum, { size }) => sum + size, 0),
    weightBytes,
    formats: format === undefined ? [] : [{ format, files: weights.length, bytes: weightBytes }],
    problems,
    ...merged,
  };
}

async function configOf(
  byPath: ReadonlyMap<string, RemoteFile>,
  read: ReadFile,
  problems: string[],
): Promise<JsonRecord | undefined> {
  // A layer may be called `config.json` itself: then the config has this other name.
  const file = byPath.get('config-blob.json') ?? byPath.get('config.json');
  if (file === undefined) return undefined;
  const found = await attempt(file.path, problems, async () => {
    if (file.size > MAX_CONFIG_BYTES) return `${file.size} bytes, too large for what it should be`;
    return parseRecord(new TextDecoder().decode(await read(file, 0, file.size)));
  });
  if (typeof found === 'string') problems.push(`${file.path}: ${found}`);
  return typeof found === 'string' ? undefined : found;
}

/** Ollama's config has its fields at the top level; those of Docker and ModelPack have them in `config`. */
function configFacts(blob: JsonRecord): PlainFacts {
  const inner = recordAt(blob, 'config') ?? {};
  const isOllamas = textAt(blob, 'model_family') !== undefined || textAt(blob, 'model_format') !== undefined;
  const size = isOllamas
    ? textAt(blob, 'model_type', 40)
    : (textAt(inner, 'paramSize', 40) ?? textAt(inner, 'parameters', 40));
  const quantisation = isOllamas ? textAt(blob, 'file_type', 40) : textAt(inner, 'quantization', 40);
  const format = isOllamas ? textAt(blob, 'model_format', 40) : textAt(inner, 'format', 40);
  return {
    method: format === 'gguf' ? 'gguf' : undefined,
    format,
    // `architecture` at the top level is that of a processor.
    architecture: isOllamas ? textAt(blob, 'model_family', 60) : textAt(inner, 'architecture', 60),
    parameters: countOf(size),
    parameterLabel: size,
    quantisation: quantisation === 'unknown' ? undefined : quantisation,
    context: integerAt(blob, 'context_length', 1, 1e9) ?? integerAt(inner, 'context_size', 1, 1e9),
    baseModel: textAt(blob, 'base_name', 200),
  };
}

/** `47B`, `7.24 B`, `135M` as a number; undefined for `8x7B` and other texts. */
function countOf(label: string | undefined): number | undefined {
  const match = /^(\d{1,6}(?:\.\d{1,6})?)\s*([KMBT])$/i.exec(label?.trim() ?? '');
  if (match === null) return undefined;
  const unit = { K: 1e3, M: 1e6, B: 1e9, T: 1e12 }[match[2]!.toUpperCase() as 'K' | 'M' | 'B' | 'T'];
  return Math.round(Number(match[1]) * unit);
}

/** From `4-bit`, as the oldest configs say, or from a type name of llama.cpp. */
function bitsOf(label: string | undefined): number | undefined {
  const written = /^(\d{1,2})-bit$/.exec(label ?? '')?.[1];
  return written === undefined ? bitsOfLabel(label) : Number(written);
}

/** The files that a program loads as the model: not the image encoder, a draft model or an adapter. */
function weightFiles(files: readonly RemoteFile[]): RemoteFile[] {
  const model = files.filter(({ path }) => /^model(?:-\d+)?\.gguf$/.test(path));
  if (model.length > 0) return model;
  const named = files.filter(({ path }) => weightFormat(path) !== 'other');
  if (named.length > 0) return named;
  // In Ollama's safetensors builds, files are named after their tensors.
  return files.filter(({ path, size }) => size > 0 && /\.(?:weight|bias|weight_scale|scales)$/.test(path));
}

function licenceFiles(files: readonly RemoteFile[]): RemoteFile[] {
  return files.filter(({ path }) => /^license(?:-\d+)?$/.test(path)).slice(0, MAX_LICENCES);
}

function formatOf([first]: readonly RemoteFile[]): string | undefined {
  if (first === undefined) return undefined;
  const format = weightFormat(first.path);
  return format === 'other' ? 'safetensors' : format;
}

async function headerOf(
  [first]: readonly RemoteFile[],
  read: ReadFile,
  problems: string[],
): Promise<PlainFacts | undefined> {
  if (first === undefined || !first.path.endsWith('.gguf')) return undefined;
  return await attempt(first.path, problems, () =>
    readGgufHeader(first.size, (start, end) => read(first, start, end)),
  );
}
