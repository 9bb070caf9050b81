import { readText } from '../../http/body.ts';
import { nextPage } from '../../http/next-page.ts';
import { redactUrl } from '../../http/url.ts';
import { FetchError } from '../../model/error.ts';
import { isRecord } from '../../model/json.ts';
import { type RetryContext, retrying } from '../../system/retry.ts';
import type { RegistryConnection } from './connection.ts';
import { isTag, OLLAMA_HOST, type RegistryKind } from './name.ts';

/** Ollama's site, with a page for every model of its registry. */
const OLLAMA_SITE = 'https://ollama.com';
const MAX_PAGE_BYTES = 16 * 1024 * 1024;
const MAX_TAGS = 100_000;
/** Pages have a hundred tags or more. */
const MAX_PAGES = 1000;

/**
 * The tags of a repository, in the order of the registry: from the protocol's own list, or from the page of the model
 * where an Ollama registry has no list. With `once` nothing is tried again. Throws NOT_FOUND, ACCESS or NETWORK.
 */
export async function listTags(
  connection: RegistryConnection,
  kind: RegistryKind,
  signal: AbortSignal,
  tries?: 'once',
): Promise<readonly string[]> {
  const { retryContext } = connection.network;
  const retry = (what: string): RetryContext => {
    const context = retryContext(what, signal);
    const { quotaWindowMs: _, ...policy } = context.policy;
    return tries === 'once' ? { ...context, policy: { ...policy, tries: 1 } } : context;
  };
  const isOllamas = connection.place.host === OLLAMA_HOST;
  if (isOllamas) return await tagsOfPage(connection, OLLAMA_SITE, retry);
  try {
    return await tagsOfList(connection, retry);
  } catch (thrown) {
    // Registries without the list report that in different ways.
    const hasNone = thrown instanceof FetchError && thrown.status !== undefined && thrown.status < 500;
    if (kind === 'oci' || !hasNone) throw thrown;
    return await tagsOfPage(connection, connection.place.origin, retry);
  }
}

/** Settings of the retry loop, for a request that is called so. */
type Retry = (what: string) => RetryContext;

async function tagsOfList(connection: RegistryConnection, retry: Retry): Promise<string[]> {
  const { origin } = connection.place;
  const tags = new Set<string>();
  let next: URL | undefined = new URL(`${connection.address('tags', 'list')}?n=1000`);
  for (let page = 0; next !== undefined; page += 1) {
    if (page >= MAX_PAGES || tags.size > MAX_TAGS) throw endless(connection);
    const current: URL = next;
    const subject = connection.subject('the list of tags');
    const known = tags.size;
    const context = retry(subject.what);
    const { signal } = context;
    next = await retrying(async () => {
      const { response } = await connection.send({ address: current.href, subject }, signal);
      if (response.status !== 200) throw await connection.refusalOf(response, subject, signal);
      for (const tag of tagsIn(await readText(response, MAX_PAGE_BYTES, signal), redactUrl(current)))
        tags.add(tag);
      const link = [response.headers['link'] ?? []].flat().join(', ');
      return nextPage(link === '' ? undefined : link, current, origin);
    }, context);
    if (next !== undefined && tags.size === known && page > 0) throw endless(connection);
  }
  return [...tags];
}

function tagsIn(text: string, where: string): string[] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // Refused below.
  }
  const tags = isRecord(json) ? json['tags'] : undefined;
  // A repository without tags has null.
  if (tags === null) return [];
  if (Array.isArray(tags) && tags.every((tag) => typeof tag === 'string')) return tags.filter(isTag);
  throw new FetchError('NETWORK', `${where} answered with something else than a list of tags`, {
    retryable: true,
    hint: 'A proxy or a login page may stand between here and the registry: try another network.',
  });
}

/** `/library/mixtral/tags` has a link to every tag of the model; other links on it lead to other things. */
async function tagsOfPage(connection: RegistryConnection, site: string, retry: Retry): Promise<string[]> {
  const address = `${site}/${connection.place.repository}/tags`;
  const subject = connection.subject('the page of the model');
  const context = retry(subject.what);
  const { signal } = context;
  const html = await retrying(async () => {
    const { response } = await connection.send(
      { address, subject, headers: { accept: 'text/html' } },
      signal,
    );
    if (response.status !== 200) throw await connection.refusalOf(response, subject, signal);
    return await readText(response, MAX_PAGE_BYTES, signal);
  }, context).catch((thrown: unknown) => {
    signal.throwIfAborted();
    throw thrown instanceof FetchError ? unread(thrown, address, subject.name) : thrown;
  });
  // Loaded on demand: few runs need the parser.
  const { linkedTags } = await import('./linked-tags.ts');
  const tags = linkedTags(html, address, connection.place.repository);
  if (tags.length > 0) return tags;
  const nothing = new FetchError('NETWORK', 'the page has no links to tags of this model', {
    hint: 'Check the name of the model.',
  });
  throw unread(nothing, address, subject.name);
}

function unread(cause: FetchError, address: string, name: string): FetchError {
  const { code, message, status } = cause;
  return new FetchError(code, `the tags of ${name} cannot be read from ${address}: ${message}`, {
    cause,
    status,
    hint: `${status === 404 ? 'Check the name. ' : ''}The registry has no list of tags: name one if you know it, fetch ${name}:TAG, for example ${name}:latest.`,
  });
}

function endless({ place }: RegistryConnection): FetchError {
  return new FetchError('NETWORK', `${place.host} lists the tags of ${place.repository} without an end`, {
    hint: 'The registry does not work properly. Name the tag that you want.',
  });
}
