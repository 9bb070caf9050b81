import { windowsNameProblem } from '../model/windows-name.ts';

/** A model name of Ollama with every part written out. */
export interface OllamaName {
  /** `registry.ollama.ai`, `hf.co`, `127.0.0.1:5000`. */
  readonly host: string;
  readonly namespace: string;
  readonly model: string;
  readonly tag: string;
}

const DEFAULT_HOST = 'registry.ollama.ai';
const DEFAULT_NAMESPACE = 'library';

/** The syntax of each part of a name in Ollama (types/model/name.go: isValidPart, isValidLen). */
const SHAPES: Readonly<Record<keyof OllamaName, RegExp>> = {
  host: /^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,349}$/,
  namespace: /^[A-Za-z0-9_][A-Za-z0-9_-]{0,79}$/,
  model: /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}$/,
  tag: /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}$/,
};

/** Why Ollama cannot have a model with this name, as the end of a sentence; undefined if it can. */
export function ollamaNameProblem(name: OllamaName, platform: 'posix' | 'win32'): string | undefined {
  for (const [what, shape] of Object.entries(SHAPES) as [keyof OllamaName, RegExp][]) {
    const part = name[what];
    if (!shape.test(part)) return `its ${what} cannot be ${JSON.stringify(part.slice(0, 100))}`;
    const problem = platform === 'win32' ? windowsNameProblem(part) : undefined;
    if (problem !== undefined) return `its ${what} is a directory, and ${problem}`;
  }
  return undefined;
}

/** The components of its path below `manifests`. */
export function nameParts({ host, namespace, model, tag }: OllamaName): string[] {
  return [host, namespace, model, tag];
}

/** The name as `ollama list` shows it and `ollama run` takes it: defaults are left out, except the tag. */
export function shortName({ host, namespace, model, tag }: OllamaName): string {
  const isUsualHost = host.toLowerCase() === DEFAULT_HOST;
  const isUsual = isUsualHost && namespace.toLowerCase() === DEFAULT_NAMESPACE;
  const place = isUsual ? '' : isUsualHost ? `${namespace}/` : `${host}/${namespace}/`;
  return `${place}${model}:${tag}`;
}
