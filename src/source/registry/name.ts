import { isLoopback } from '../../http/proxy.ts';
import { FetchError } from '../../model/error.ts';
import type { RepoRef } from '../../model/repo.ts';

/**
 * `ollama`: Ollama's registry and those that are used like it. `oci`: any registry that implements the OCI
 * distribution protocol.
 */
export type RegistryKind = 'ollama' | 'oci';

export const OLLAMA_HOST = 'registry.ollama.ai';
/** The tag if a name has none. */
export const DEFAULT_TAG = 'latest';
const DEFAULT_NAMESPACE = 'library';
/** Docker's name for its registry, and the host that serves it. */
const DOCKER_HOSTS: ReadonlySet<string> = new Set(['docker.io', 'index.docker.io']);
const DOCKER_REGISTRY = 'registry-1.docker.io';
/** Limit of the OCI distribution protocol for host and repository together, in characters. */
const MAX_NAME = 255;

const OLLAMA_TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}$/;
const OCI_TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;

/** A parsed name: a repository of a registry, and its tag or digest. */
export interface RegistryName {
  readonly repo: RepoRef;
  /** A tag, or `sha256:` and 64 hex digits; undefined if the name has neither. */
  readonly reference: string | undefined;
}

/** Address of a repository, derived from the id of its RepoRef. */
export interface RegistryPlace {
  /** Scheme, host and port of the registry, without a slash at the end. */
  readonly origin: string;
  /** As in the id: with the port, without the scheme. */
  readonly host: string;
  /** `library/mixtral`. */
  readonly repository: string;
}

/** The parts of a name, before they are checked. */
interface Written {
  /** `http:` or `https:` if the name starts with one. */
  readonly scheme: string | undefined;
  readonly host: string;
  readonly repository: string;
  readonly reference: string | undefined;
}

const EXAMPLES: Readonly<Record<RegistryKind, string>> = {
  ollama:
    'Write it as ollama://NAME:TAG or ollama://HOST/NAMESPACE/NAME:TAG, for example ollama://mixtral:8x7b.',
  oci: 'Write it as oci://HOST/REPOSITORY:TAG or oci://HOST/REPOSITORY@sha256:HEX.',
};

/** Parses `[HOST/][NAMESPACE/]NAME[:TAG|@DIGEST]`, the text after `ollama://`. Throws USAGE. */
export function parseOllamaName(text: string): RegistryName {
  const { scheme, rest } = splitScheme(text);
  const { name, reference } = splitReference('ollama', rest);
  const parts = name.replace(/\/$/, '').split('/');
  const last = parts.at(-1)!;
  const [first = ''] = parts;
  if (last === '') throw unusable('ollama', 'it names no model');
  if (parts.length > 3) throw unusable('ollama', 'it has more parts than HOST/NAMESPACE/NAME');
  // A namespace contains neither a dot nor a colon, so this can only be a host.
  const isHost = parts.length === 3 || (parts.length === 2 && (/[.:]/.test(first) || first === 'localhost'));
  const host = isHost ? first : OLLAMA_HOST;
  const namespace = (isHost ? parts.slice(1, -1) : parts.slice(0, -1))[0] ?? DEFAULT_NAMESPACE;
  requirePart('the namespace', namespace, /^[A-Za-z0-9_][A-Za-z0-9_-]{0,79}$/);
  requirePart('the name', last, /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}$/);
  return named('ollama', { scheme, host, repository: `${namespace}/${last}`, reference });
}

/** Parses `HOST/REPOSITORY[:TAG|@DIGEST]`, the text after `oci://`. Throws USAGE. */
export function parseOciName(text: string): RegistryName {
  const { scheme, rest } = splitScheme(text);
  const { name, reference } = splitReference('oci', rest);
  const slash = name.indexOf('/');
  if (slash < 0) throw unusable('oci', 'it names no repository on a host');
  const repository = name.slice(slash + 1).replace(/\/$/, '');
  for (const part of repository.split('/')) {
    const isInCapitals = part !== part.toLowerCase();
    const what = `a part of the repository${isInCapitals ? ', which is in lower case,' : ''}`;
    requirePart(what, part, /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/, 'oci');
  }
  const host = name.slice(0, slash);
  return named('oci', { scheme, host, repository, reference });
}

/** Throws USAGE for a text that is neither a tag nor a digest. `kind` decides which tags are valid. */
export function requireReference(kind: RegistryKind, reference: string): string {
  if (reference.includes(':')) return requireDigest(kind, reference);
  if ((kind === 'ollama' ? OLLAMA_TAG : OCI_TAG).test(reference)) return reference;
  throw unusable(kind, `the tag ${quoted(reference)} cannot exist`);
}

/** Whether a text from a registry is a valid tag. */
export function isTag(text: string): boolean {
  return OCI_TAG.test(text);
}

/** The address of the repository with this id. Throws USAGE for an invalid id from a file. */
export function placeOf(repo: RepoRef): RegistryPlace {
  const { scheme, rest } = splitScheme(repo.id);
  const kind: RegistryKind = repo.source === 'oci' ? 'oci' : 'ollama';
  const slash = rest.indexOf('/');
  const { host, url } = readHost(kind, scheme, rest.slice(0, Math.max(0, slash)));
  const repository = rest.slice(slash + 1);
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]*(?:\/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$/.test(repository))
    throw unusable(kind, `${quoted(repo.id)} is not a repository of a registry`);
  return { origin: url.origin, host, repository };
}

/** Splits `http://` or `https://` off a host. */
function splitScheme(text: string): { readonly scheme: string | undefined; readonly rest: string } {
  const match = /^(https?:)\/\//i.exec(text);
  return { scheme: match?.[1]?.toLowerCase(), rest: text.slice(match?.[0].length ?? 0) };
}

/** In Docker's form `NAME:TAG@DIGEST` the digest decides. */
function splitReference(
  kind: RegistryKind,
  text: string,
): { readonly name: string; readonly reference: string | undefined } {
  const at = text.indexOf('@');
  const digest = at < 0 ? undefined : requireDigest(kind, text.slice(at + 1));
  const named = at < 0 ? text : text.slice(0, at);
  // A colon may also precede the port of a host.
  const colon = named.indexOf(':', named.lastIndexOf('/') + 1);
  const tag = colon < 0 ? undefined : requireReference(kind, named.slice(colon + 1));
  if (tag?.includes(':')) throw unusable(kind, 'a digest stands behind "@"');
  return { name: colon < 0 ? named : named.slice(0, colon), reference: digest ?? tag };
}

function requireDigest(kind: RegistryKind, text: string): string {
  if (/^sha256:[0-9a-f]{64}$/.test(text)) return text;
  throw unusable(kind, `${quoted(text)} is not a digest: that is "sha256:" and 64 hex digits in lower case`);
}

function requirePart(what: string, part: string, shape: RegExp, kind: RegistryKind = 'ollama'): void {
  if (!shape.test(part)) throw unusable(kind, `${what} cannot be ${quoted(part)}`);
}

function named(kind: RegistryKind, { scheme, host: written, repository, reference }: Written): RegistryName {
  const { host, isUsual, url } = readHost(kind, scheme, written);
  const id = `${isUsual ? '' : `${url.protocol}//`}${host}/${repository}`;
  if (id.length > MAX_NAME) throw unusable(kind, `it is longer than ${MAX_NAME} characters`);
  return { repo: { source: kind, type: 'model', id }, reference };
}

/** Plain http for loopback, https for every other host, unless the name has a scheme. */
function readHost(
  kind: RegistryKind,
  scheme: string | undefined,
  written: string,
): { readonly host: string; readonly isUsual: boolean; readonly url: URL } {
  const isHost = /^(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/.test(
    written,
  );
  const text = `http://${written}`;
  if (!isHost || written.length > MAX_NAME || !URL.canParse(text))
    throw unusable(kind, `${quoted(written)} is not a host`);
  const usual = isLoopback(new URL(text)) ? 'http:' : 'https:';
  const used = scheme ?? usual;
  const url = new URL(`${used}//${servedBy(kind, written.toLowerCase())}`);
  return { host: url.host, isUsual: used === usual, url };
}

function servedBy(kind: RegistryKind, host: string): string {
  if (kind === 'oci') return DOCKER_HOSTS.has(host) ? DOCKER_REGISTRY : host;
  return /^(?:www\.)?ollama\.com$/.test(host) ? OLLAMA_HOST : host;
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}

function unusable(kind: RegistryKind, why: string): FetchError {
  return new FetchError('USAGE', `The name of the model in the registry cannot be used: ${why}.`, {
    hint: EXAMPLES[kind],
  });
}
