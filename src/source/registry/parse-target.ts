import { FetchError } from '../../model/error.ts';
import type { Target, TargetOptions } from '../../model/target.ts';
import {
  OLLAMA_HOST,
  parseOciName,
  parseOllamaName,
  type RegistryKind,
  type RegistryName,
  requireReference,
} from './name.ts';

/** Pages of Ollama's site that are not models. */
const PAGES: ReadonlySet<string> = new Set(
  'api blog cloud connectors docs download library models pricing search settings signin signup'.split(' '),
);

/**
 * Parses `ollama://[HOST/][NAMESPACE/]NAME[:TAG]`, and addresses of ollama.com and registry.ollama.ai with or without
 * `https://`; undefined for any other form. Throws USAGE.
 */
export function parseOllamaTarget(text: string, options: TargetOptions): Target | undefined {
  const trimmed = text.trim();
  const behind = afterScheme(trimmed, 'ollama');
  const name = behind === undefined ? ollamaAddress(trimmed) : parseOllamaName(behind);
  return name && toTarget('ollama', name, options);
}

/** Parses `oci://HOST/REPOSITORY[:TAG|@sha256:HEX]`; undefined for any other form. Throws USAGE. */
export function parseOciTarget(text: string, options: TargetOptions): Target | undefined {
  const behind = afterScheme(text.trim(), 'oci');
  return behind === undefined ? undefined : toTarget('oci', parseOciName(behind), options);
}

function afterScheme(text: string, scheme: string): string | undefined {
  const prefix = `${scheme}://`;
  return text.slice(0, prefix.length).toLowerCase() === prefix ? text.slice(prefix.length) : undefined;
}

/** Parses an address as a browser shows it or as people write it; undefined if it is on another host. */
function ollamaAddress(text: string): RegistryName | undefined {
  const match = /^(https?:\/\/)?((?:www\.)?ollama\.com|registry\.ollama\.ai)(?:\/(.*))?$/is.exec(text);
  if (match === null) return undefined;
  const [, scheme = '', host = '', written = ''] = match;
  const isSite = host.toLowerCase() !== OLLAMA_HOST;
  const path = decoded(written.replace(/[?#].*$/s, ''));
  // Removes the end of the pages below a model: its tags, or one of the blobs of a tag.
  const parts = path
    .replace(/\/+$/, '')
    .split('/')
    .filter((part, index) => part !== '' || index > 0);
  const model = isSite ? parts.slice(0, 2) : parts;
  const [first = ''] = model;
  const isPage = isSite && (model.length === 0 || (model.length === 1 && PAGES.has(first)));
  if (first === '' || isPage || (isSite && parts.length > 2 && !/^(?:tags|blobs)$/.test(parts[2]!))) {
    throw new FetchError('USAGE', `The address on ${host} names no model.`, {
      hint: `Paste the address of a model, https://ollama.com/library/NAME, or write ollama://NAME:TAG.`,
    });
  }
  // The site is always read over https.
  const plain = !isSite && /^http:/i.test(scheme) ? 'http://' : '';
  return parseOllamaName(`${plain}${OLLAMA_HOST}/${model.join('/')}`);
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function toTarget(kind: RegistryKind, { repo, reference }: RegistryName, options: TargetOptions): Target {
  const { repoType, revision } = options;
  if (repoType !== undefined && repoType !== 'model') {
    throw new FetchError('USAGE', `A registry has models only, but --repo-type says ${repoType}.`, {
      hint: 'Leave --repo-type out.',
    });
  }
  if (revision !== undefined) requireReference(kind, revision);
  if (revision !== undefined && reference !== undefined && revision !== reference) {
    throw new FetchError(
      'USAGE',
      `The revision is given twice: ${reference} (in the name) and ${revision} (--revision).`,
      { hint: 'Keep one of the two.' },
    );
  }
  // Never `colon`: the tag is not a quantisation of another revision.
  if (revision !== undefined) return { repo, revision, revisionOrigin: 'option', path: undefined };
  const revisionOrigin = reference === undefined ? 'default' : 'address';
  return { repo, revision: reference, revisionOrigin, path: undefined };
}
