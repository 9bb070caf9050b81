import { FetchError } from '../model/error.ts';
import type { JsonRecord } from '../model/json.ts';
import type { RemoteFile } from '../model/remote-file.ts';
import { readAdapterConfig } from './adapter.ts';
import type { Finding, PlainFacts } from './fact-list.ts';
import { parseRecord, recordAt, textAt } from './json.ts';
import {
  impliedParameters,
  invalidConfigFields,
  quantisationIn,
  readIndex,
  readModelConfig,
  readTokenizerConfig,
} from './model-config.ts';
import { describesQuantisation, readQuantisation } from './quantisation.ts';
import { methodOfFile } from './quantisation-methods.ts';
import type { ReadFile } from './read-weights.ts';

/** Usual files have a few kilobytes; those with module maps of GPTQModel some hundred. */
const MAX_JSON_BYTES = 4_000_000;
const MAX_CARD_BYTES = 1_000_000;

/** The facts in the small files of a branch, the most trusted first, and the errors. */
export interface SmallFiles {
  readonly findings: readonly Finding[];
  readonly problems: readonly string[];
}

interface FileChoice {
  readonly whole: boolean;
  readonly indexed: boolean;
  /** The weights are an adapter: read its configuration. */
  readonly adapter: boolean;
}

/** transformers.js writes these fields into a `quantize_config.json`, the name of GPTQ's file. */
const ONNX_SETTINGS = ['per_channel', 'reduce_range', 'per_model_config', 'modes'];

/**
 * `whole` also reads what only the view of one branch shows: the template, the stop tokens, the index.
 * `indexed` reads the index too: the weights are in too many parts to read their headers.
 */
export async function readSmallFiles(
  files: readonly RemoteFile[],
  read: ReadFile,
  { whole, indexed, adapter }: FileChoice,
): Promise<SmallFiles> {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const problems: string[] = [];
  const record = async (path: string): Promise<JsonRecord | undefined> => {
    const file = byPath.get(path);
    if (file === undefined) return undefined;
    const parsed = await attempt(path, problems, async () => {
      if (file.size > MAX_JSON_BYTES) return `${file.size} bytes, too large for what it should be`;
      return parseRecord(new TextDecoder().decode(await read(file, 0, file.size)));
    });
    if (typeof parsed === 'string') problems.push(`${path}: ${parsed}`);
    return typeof parsed === 'string' ? undefined : parsed;
  };
  const hasNewer = byPath.has('quantize_config.json');
  const hasTemplate = byPath.has('chat_template.jinja');
  const [quantize, config, older, generation, tokenizer, template, index, exported, base, oldTemplate] =
    await Promise.all([
      record('quantize_config.json'),
      record('config.json'),
      hasNewer ? undefined : record('quant_config.json'),
      whole ? record('generation_config.json') : undefined,
      whole ? record('tokenizer_config.json') : undefined,
      whole ? readTemplate(byPath.get('chat_template.jinja'), read, problems) : undefined,
      whole || indexed ? record('model.safetensors.index.json') : undefined,
      record('hf_quant_config.json'),
      adapter ? record('adapter_config.json') : undefined,
      whole && !hasTemplate ? record('chat_template.json') : undefined,
    ]);
  const found = {
    quantize,
    config,
    older,
    generation,
    tokenizer,
    template,
    index,
    exported,
    base,
    oldTemplate,
  };
  return { findings: findingsIn(found, problems), problems };
}

interface Contents {
  readonly quantize: JsonRecord | undefined;
  readonly config: JsonRecord | undefined;
  readonly older: JsonRecord | undefined;
  readonly generation: JsonRecord | undefined;
  readonly tokenizer: JsonRecord | undefined;
  readonly template: string | undefined;
  readonly index: JsonRecord | undefined;
  readonly exported: JsonRecord | undefined;
  readonly base: JsonRecord | undefined;
  readonly oldTemplate: JsonRecord | undefined;
}

/** The facts of the files, the most trusted first. */
function findingsIn(contents: Contents, problems: string[]): Finding[] {
  const { quantize, config, older, generation, tokenizer, template, index, exported, base } = contents;
  const findings: Finding[] = [];
  const add = (origin: Finding['origin'], facts: PlainFacts | undefined) => {
    if (facts !== undefined) findings.push({ origin, facts });
  };
  const described = quantize !== undefined && describesQuantisation(quantize);
  const isOnnx = quantize !== undefined && ONNX_SETTINGS.some((name) => Object.hasOwn(quantize, name));
  add('adapter_config.json', base && readAdapterConfig(base));
  if (quantize !== undefined && !described && !isOnnx)
    problems.push('quantize_config.json: describes no quantisation');
  add(
    'quantize_config.json',
    described ? readQuantisation(quantize, methodOfFile('quantize_config.json')) : undefined,
  );
  add('config.json', config && quantisationIn(config));
  add('hf_quant_config.json', exported && exportOf(exported));
  const odd = config === undefined ? [] : invalidConfigFields(config);
  if (odd.length > 0) problems.push(`config.json: no sensible value of ${odd.join(', ')}`);
  const nested = older && (recordAt(older, 'quantization_config') ?? older);
  add(
    'quant_config.json',
    nested && describesQuantisation(nested)
      ? readQuantisation(nested, methodOfFile('quant_config.json'))
      : undefined,
  );
  add('config.json', config && readModelConfig(config));
  add('computed', config && { parameters: impliedParameters(config) });
  add('tokenizer_config.json', template === undefined ? undefined : { chatTemplate: template });
  add('chat_template.json', contents.oldTemplate && readTokenizerConfig(contents.oldTemplate));
  add('tokenizer_config.json', tokenizer && readTokenizerConfig(tokenizer));
  add('generation_config.json', generation && stopStrings(generation));
  add('model.safetensors.index.json', index && readIndex(index));
  return findings;
}

/** `hf_quant_config.json`, which NVIDIA's tools write in addition to `config.json`. */
function exportOf(exported: JsonRecord): PlainFacts | undefined {
  const block = recordAt(exported, 'quantization');
  if (block === undefined || textAt(block, 'quant_algo') === undefined) return undefined;
  return readQuantisation(block, methodOfFile('hf_quant_config.json'));
}

/** The README as text; empty if there is none. Errors are added to `problems`. */
export async function readCardText(
  files: readonly RemoteFile[],
  read: ReadFile,
  problems: string[],
): Promise<string> {
  const file = files.find(({ path }) => path === 'README.md');
  if (file === undefined) return '';
  const bytes = await attempt('README.md', problems, () =>
    read(file, 0, Math.min(file.size, MAX_CARD_BYTES)),
  );
  return bytes === undefined ? '' : new TextDecoder().decode(bytes);
}

async function readTemplate(
  file: RemoteFile | undefined,
  read: ReadFile,
  problems: string[],
): Promise<string | undefined> {
  if (file === undefined) return undefined;
  const bytes = await attempt(file.path, problems, () => read(file, 0, Math.min(file.size, 20_000)));
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
}

function stopStrings(generation: JsonRecord): PlainFacts {
  const list = Object.hasOwn(generation, 'stop_strings') ? generation['stop_strings'] : undefined;
  const texts = Array.isArray(list) ? (list as unknown[]).filter((one) => typeof one === 'string') : [];
  const single = textAt(generation, 'stop_strings');
  const stops = single === undefined ? texts.slice(0, 20) : [single];
  return { stopTokens: stops.length === 0 ? undefined : stops };
}

/**
 * A file that cannot be read or parsed is a remark about the row, not an error of the run. This hides an abort as well:
 * the caller checks the signal at the end.
 */
export async function attempt<T>(
  path: string,
  problems: string[],
  work: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    const said = error instanceof Error ? error.message.slice(0, 200) : String(error);
    const access = error instanceof FetchError && error.code === 'ACCESS';
    problems.push(`${path}: ${access ? 'not readable with this token (gated or private)' : said}`);
    return undefined;
  }
}
