import type { ByteRange } from '../model/byte-range.ts';
import { FetchError } from '../model/error.ts';
import { findQuantisation } from '../model/find-quantisation.ts';
import { suggestion } from '../model/nearest.ts';
import type { RemoteFile } from '../model/remote-file.ts';
import { type RepoRef, type Revision, repoPath } from '../model/repo.ts';
import type { Location } from './location.ts';
import type { Source, SourceThatCan, SourceWith } from './source.ts';

interface HubModelsOptions {
  /** The Hub's `/v2`: the Hub as a registry of GGUF models. */
  readonly registry: SourceThatCan<'read'>;
  readonly hub: Source;
  /** The repository as the Hub names it. */
  readonly repo: RepoRef;
}

interface HubModelsTraits {
  readonly branches: false;
  readonly scan: false;
  readonly read: true;
  readonly reconstruct: false;
}

/** The Hub's listing of the repository. */
interface HubListing {
  readonly revision: Revision;
  readonly files: readonly RemoteFile[];
  readonly bySha256: ReadonlyMap<string, RemoteFile>;
}

/** The Hub makes manifests for this revision only. */
const MAIN = 'main';

/**
 * GGUF models of the Hub in the form in which Ollama pulls them. The Hub generates manifest, template, params and
 * config; the weights are files of the repository. Weights are fetched from the repository, because an address that
 * `/v2` redirects to is valid for one range only (field facts 1.1).
 */
export class HubModelsSource implements SourceWith<HubModelsTraits> {
  readonly kind = 'ollama';
  readonly traits: HubModelsTraits = { branches: false, scan: false, read: true, reconstruct: false };
  readonly #options: HubModelsOptions;
  #listing: Promise<HubListing> | undefined;

  constructor(options: HubModelsOptions) {
    this.#options = options;
  }

  async resolve(repo: RepoRef, tag: string, signal: AbortSignal): Promise<Revision> {
    try {
      return await this.#options.registry.resolve(repo, tag, signal);
    } catch (thrown) {
      if (!(thrown instanceof FetchError) || !['NOT_FOUND', 'ACCESS'].includes(thrown.code)) throw thrown;
      // The Hub's API tells whether the repository is missing, gated or private.
      throw this.#notFound(tag, thrown, await this.#list(signal));
    }
  }

  list(revision: Revision, signal: AbortSignal): AsyncIterable<RemoteFile> {
    return this.#options.registry.list(revision, signal);
  }

  read(revision: Revision, file: RemoteFile, range: ByteRange, signal: AbortSignal): Promise<Uint8Array> {
    return this.#options.registry.read(revision, file, range, signal);
  }

  async locate(
    revision: Revision,
    file: RemoteFile,
    signal: AbortSignal,
    range?: ByteRange,
  ): Promise<Location> {
    const { hub, registry } = this.#options;
    // Files that the Hub generates are not in the repository.
    const isWeights = file.digest?.algorithm === 'sha256' && file.path.endsWith('.gguf');
    const listing = isWeights ? await this.#list(signal) : undefined;
    const listed = listing?.bySha256.get(file.digest?.hex ?? '');
    return listing === undefined || listed === undefined
      ? await registry.locate(revision, file, signal, range)
      : await hub.locate(listing.revision, listed, signal, range);
  }

  /** Requested once, when first needed. */
  #list(signal: AbortSignal): Promise<HubListing> {
    this.#listing ??= this.#listOnce(signal).catch((thrown: unknown) => {
      this.#listing = undefined;
      throw thrown;
    });
    return this.#listing;
  }

  async #listOnce(signal: AbortSignal): Promise<HubListing> {
    const { hub, repo } = this.#options;
    const revision = await hub.resolve(repo, MAIN, signal);
    const files: RemoteFile[] = [];
    for await (const file of hub.list(revision, signal)) files.push(file);
    const named = files.flatMap((file) => {
      return file.digest?.algorithm === 'sha256' ? [[file.digest.hex, file] as const] : [];
    });
    return { revision, files, bySha256: new Map(named) };
  }

  #notFound(tag: string, cause: FetchError, { files }: HubListing): FetchError {
    const { repo } = this.#options;
    const { sets } = findQuantisation(files, tag);
    const labels = [...new Set(sets.flatMap(({ label }) => label ?? []))];
    if (labels.length === 0) {
      return new FetchError('NOT_FOUND', `${repoPath(repo)} has no GGUF files, which Ollama needs`, {
        cause,
        hint: 'Look for a repository of the model whose name ends in -GGUF.',
      });
    }
    if (cause.code === 'ACCESS') return cause;
    return new FetchError(
      'NOT_FOUND',
      `${repoPath(repo)} has no quantisation "${tag}" that Ollama can take`,
      {
        cause,
        status: cause.status,
        hint: suggestion(tag, labels, 6),
      },
    );
  }
}
