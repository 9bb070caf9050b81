import { FetchError } from '../model/error.ts';
import type { RepoRef } from '../model/repo.ts';
import type { Target, TargetOptions } from '../model/target.ts';
import { parseHubTarget } from './hub/parse-target.ts';
import { DEFAULT_TAG, placeOf } from './registry/name.ts';
import { parseOciTarget, parseOllamaTarget } from './registry/parse-target.ts';

/** Every source. A new one is a key here, a row in `NAMING` and a row in `SOURCES`. */
export type SourceKind = 'hub' | 'ollama' | 'oci';

/** The source of a repository that names none. */
export const DEFAULT_SOURCE: SourceKind = 'hub';

/**
 * How a source names repositories. Apart from `SOURCES`, because the command line needs it before it loads a client.
 */
interface SourceNaming {
  /**
   * Parses the name of a repository; undefined if its syntax belongs to another source. Throws USAGE for a name that
   * is invalid in this source.
   */
  readonly parse: (text: string, options: TargetOptions) => Target | undefined;
  /** The revision if none is named. */
  readonly defaultRevision: string;
  /** Base address of the server with the repository, without a slash at the end. */
  readonly endpointOf: (repo: RepoRef, hub: string) => string;
}

/** Tried in this order. The last one accepts every text, also without a scheme. */
const NAMING = {
  ollama: {
    parse: parseOllamaTarget,
    defaultRevision: DEFAULT_TAG,
    endpointOf: (repo) => placeOf(repo).origin,
  },
  oci: { parse: parseOciTarget, defaultRevision: DEFAULT_TAG, endpointOf: (repo) => placeOf(repo).origin },
  hub: { parse: parseHubTarget, defaultRevision: 'main', endpointOf: (_, hub) => hub },
} satisfies Record<SourceKind, SourceNaming>;

/**
 * Parses every way to name a repository and a revision, for all sources; `parseHubTarget` lists those of the Hub.
 * Throws USAGE with a hint for any other text, and if a revision or a type is given twice and differs.
 */
export function parseTarget(text: string, options: TargetOptions): Target {
  for (const { parse } of Object.values<SourceNaming>(NAMING)) {
    const target = parse(text, options);
    if (target !== undefined) return target;
  }
  throw new FetchError('USAGE', `${JSON.stringify(text)} names no repository.`, {
    hint: 'A repository is written OWNER/NAME, for example openai-community/gpt2.',
  });
}

/** The default revision of a repository's source. */
export function defaultRevision({ source }: RepoRef): string {
  return NAMING[sourceKind(source)].defaultRevision;
}

/** Base address of the server of a repository. `hub` is the address of the Hub or mirror in use. */
export function endpointOf(repo: RepoRef, hub: string): string {
  return NAMING[sourceKind(repo.source)].endpointOf(repo, hub);
}

/** The key of a repository's source. Throws USAGE for a source that this version does not know. */
export function sourceKind(source: string | undefined = DEFAULT_SOURCE): SourceKind {
  if (Object.hasOwn(NAMING, source)) return source as SourceKind;
  throw new FetchError(
    'USAGE',
    `${JSON.stringify(source)} is not a source that this version can fetch from.`,
    {
      hint: `It knows: ${Object.keys(NAMING).sort().join(', ')}. A newer version of fetch may know more.`,
    },
  );
}
