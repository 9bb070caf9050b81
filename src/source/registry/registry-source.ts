import { readBody } from '../../http/body.ts';
import { formatRange, rangeAnswer } from '../../http/range.ts';
import type { ByteRange } from '../../model/byte-range.ts';
import { FetchError } from '../../model/error.ts';
import { isRecord } from '../../model/json.ts';
import { suggestion } from '../../model/nearest.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { NamedRef, RepoRef, Revision } from '../../model/repo.ts';
import { shortId } from '../../model/revision-id.ts';
import { retrying } from '../../system/retry.ts';
import type { Location } from '../location.ts';
import type { SourceWith } from '../source.ts';
import { RegistryConnection, type RegistryNetwork } from './connection.ts';
import { filesOf, hasWeights, layerName, type RegistryFile } from './layer-files.ts';
import { locateBlob } from './locate-blob.ts';
import type { Descriptor, ImageManifest, ReceivedManifest } from './manifest.ts';
import { OLLAMA_HOST, type RegistryKind, requireReference } from './name.ts';
import { listTags } from './tags.ts';

/** Statuses of registries that serve manifests by tag only. */
const SERVES_NO_DIGESTS: ReadonlySet<number> = new Set([405, 501]);
/** Reads into memory are for headers and small files, not for weights. */
const MAX_READ_BYTES = 32 * 1024 * 1024;
/** Maximum of manifest bytes that are kept in memory. */
const MAX_KEPT_BYTES = 128 * 1024 * 1024;
/** An index may refer to another index, at most this many levels deep. */
const MAX_INDEXES = 3;
const MAX_CONFIG_BYTES = 4 * 1024 * 1024;

interface RegistryTraits {
  readonly branches: true;
  readonly scan: false;
  readonly read: true;
  readonly reconstruct: false;
}

/** A revision: the requested reference, and the manifest that it leads to. */
interface Pinned {
  /** Every manifest on the way, by digest; the index first. */
  readonly documents: ReadonlyMap<string, Uint8Array>;
  /** Of the model, or an index that does not say which of several models is meant. */
  readonly end: ReceivedManifest;
}

/**
 * Ollama's registry, or any that implements the OCI distribution protocol. A revision is a tag or a digest; its id is
 * the digest of the requested manifest. Its files are the layers, the config, and the manifest itself.
 */
export class RegistrySource implements SourceWith<RegistryTraits> {
  readonly kind: RegistryKind;
  readonly traits: RegistryTraits = { branches: true, scan: false, read: true, reconstruct: false };
  readonly #network: RegistryNetwork;
  readonly #connections = new Map<string, RegistryConnection>();
  /** By repository and digest. */
  readonly #pinned = new Map<string, Pinned>();
  #keptBytes = 0;
  /** Blobs whose size was compared at the storage. */
  readonly #checked = new Set<string>();

  constructor(kind: RegistryKind, network: RegistryNetwork) {
    this.kind = kind;
    this.#network = network;
  }

  async resolve(repo: RepoRef, revision: string, signal: AbortSignal): Promise<Revision> {
    const reference = requireReference(this.kind, revision);
    try {
      const id = await this.#pin(repo, reference, signal);
      return { repo, name: reference, id, gated: false };
    } catch (thrown) {
      throw await this.#withNearest(thrown, repo, reference, signal);
    }
  }

  async *list(revision: Revision, signal: AbortSignal): AsyncGenerator<RemoteFile> {
    signal.throwIfAborted();
    const pinned = await this.#pinnedOf(revision, signal);
    const image = imageOf(pinned.end, this.#nameOf(revision.repo));
    const files = filesOf(image);
    if (!hasWeights(image.manifest))
      await this.#refuseWithoutWeights(revision, image.manifest, files, signal);
    for (const { layer: _, ...file } of files) yield file;
  }

  async locate(revision: Revision, file: RemoteFile, signal: AbortSignal): Promise<Location> {
    signal.throwIfAborted();
    const { digest } = file;
    if (digest?.algorithm !== 'sha256') throw this.#noFile(revision, file.path);
    const bytes = await this.#document(revision, digest.hex, signal);
    if (bytes !== undefined) return { kind: 'memory', bytes };
    const mustCheck = !this.#checked.has(digest.hex);
    const connection = this.#connect(revision.repo);
    const found = await locateBlob(connection, { ...file, digest }, mustCheck, signal);
    this.#checked.add(digest.hex);
    return found;
  }

  /** The list of tags does not say what they point to. */
  async branches(repo: RepoRef, signal: AbortSignal): Promise<readonly NamedRef[]> {
    const tags = await listTags(this.#connect(repo), this.kind, signal);
    return tags.map((name) => ({ kind: 'tag', name, id: undefined }));
  }

  async read(
    revision: Revision,
    file: RemoteFile,
    range: ByteRange,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    signal.throwIfAborted();
    const wanted = { start: range.start, end: Math.min(range.end, file.size) };
    const length = wanted.end - wanted.start;
    if (length <= 0) return new Uint8Array();
    if (length > MAX_READ_BYTES) throw new FetchError('BUG', `${length} bytes are too many to read at once`);
    const { digest } = file;
    if (digest?.algorithm !== 'sha256') throw this.#noFile(revision, file.path);
    const bytes = await this.#document(revision, digest.hex, signal);
    if (bytes !== undefined) return bytes.subarray(wanted.start, wanted.end);
    const connection = this.#connect(revision.repo);
    return await retrying(
      () => readBlob(connection, file.path, { hex: digest.hex, size: file.size }, wanted, signal),
      this.#network.retryContext(file.path, signal),
    );
  }

  #connect(repo: RepoRef): RegistryConnection {
    const kept = this.#connections.get(repo.id);
    const connection = kept ?? new RegistryConnection(repo, this.#network);
    if (kept === undefined) this.#connections.set(repo.id, connection);
    return connection;
  }

  /** As it can be typed. */
  #nameOf(repo: RepoRef): string {
    return this.#connect(repo).subject('').name;
  }

  /** Fetches what a tag or digest names, and keeps it. Returns the digest of what was asked for. */
  async #pin(repo: RepoRef, reference: string, signal: AbortSignal): Promise<string> {
    const connection = this.#connect(repo);
    const name = this.#nameOf(repo);
    const documents = new Map<string, Uint8Array>();
    let asked: string | undefined;
    for (let wanted = reference; ; ) {
      const received = await retrying(
        () => connection.manifest(wanted, signal),
        this.#network.retryContext(`the manifest of ${name}`, signal),
      );
      const { manifest, digest, bytes } = received;
      asked ??= digest;
      documents.set(digest, bytes);
      const [next, ...others] = manifest.kind === 'index' ? manifest.manifests : [];
      if (next === undefined || others.length > 0) {
        this.#keep(repo, asked, { documents, end: received });
        return asked;
      }
      if (documents.size > MAX_INDEXES) throw indexInCircles(name);
      wanted = next.digest;
    }
  }

  #keep(repo: RepoRef, id: string, pinned: Pinned): void {
    const size = [...pinned.documents.values()].reduce((sum, { length }) => sum + length, 0);
    this.#keptBytes += size;
    if (this.#keptBytes > MAX_KEPT_BYTES) {
      this.#pinned.clear();
      this.#keptBytes = size;
    }
    this.#pinned.set(`${repo.id}\n${id}`, pinned);
  }

  /** Fetches by digest. If the registry serves none by digest, by tag, as long as the tag has not moved. */
  async #pinnedOf({ repo, id, name }: Revision, signal: AbortSignal): Promise<Pinned> {
    const kept = () => this.#pinned.get(`${repo.id}\n${id}`);
    const known = kept();
    if (known !== undefined) return known;
    try {
      await this.#pin(repo, id, signal);
    } catch (thrown) {
      if (!(thrown instanceof FetchError) || name === id) throw thrown;
      const { code, status = 0 } = thrown;
      if (code !== 'NOT_FOUND' && !SERVES_NO_DIGESTS.has(status)) throw thrown;
      const now = await this.#pin(repo, name, signal);
      if (now !== id) throw movedOn(thrown, name, now);
    }
    const pinned = kept();
    if (pinned === undefined) throw new FetchError('BUG', 'a manifest that was just read is not there');
    return pinned;
  }

  /** The bytes of a manifest of the revision; undefined if the digest belongs to none. */
  async #document(revision: Revision, hex: string, signal: AbortSignal): Promise<Uint8Array | undefined> {
    const digest = `sha256:${hex}`;
    const known = this.#pinned.get(`${revision.repo.id}\n${revision.id}`);
    if (known !== undefined) return known.documents.get(digest);
    return digest === revision.id
      ? (await this.#pinnedOf(revision, signal)).documents.get(digest)
      : undefined;
  }

  #noFile(revision: Revision, path: string): FetchError {
    const name = this.#nameOf(revision.repo);
    return new FetchError('NOT_FOUND', `${name} has no file ${JSON.stringify(path)} in this revision`, {
      hint: `See its files with \`fetch ${name}:${revision.name} --dry-run\`.`,
    });
  }

  /** A cloud model has a config and nothing else that could be fetched. */
  async #refuseWithoutWeights(
    revision: Revision,
    { config, layers }: ImageManifest,
    files: readonly RegistryFile[],
    signal: AbortSignal,
  ): Promise<void> {
    const name = this.#nameOf(revision.repo);
    const file = files.find(({ layer }) => layer === config);
    const where = file === undefined ? undefined : await this.#cloudOf(revision, file, signal);
    if (where === undefined && layers.length > 0) return;
    const what = `${name}:${revision.name} has no weights to download`;
    const why = where === undefined ? '' : `: it runs only in a cloud, at ${where}`;
    throw new FetchError('NOT_FOUND', `${what}${why}`, {
      hint: `See the other tags with \`fetch branches ${name}\`.`,
    });
  }

  /** The host that runs the model, if the config names one. */
  async #cloudOf(revision: Revision, config: RegistryFile, signal: AbortSignal): Promise<string | undefined> {
    if (config.size > MAX_CONFIG_BYTES) return undefined;
    const bytes = await this.read(revision, config, { start: 0, end: config.size }, signal);
    try {
      const json: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
      if (!isRecord(json)) return undefined;
      const { remote_host: host, remote_model: model } = json;
      if (typeof host !== 'string' && typeof model !== 'string') return undefined;
      return typeof host === 'string' && URL.canParse(host) ? new URL(host).host : 'another host';
    } catch {
      return undefined;
    }
  }

  /** A missing tag is often a misspelt one: suggests the nearest names. */
  async #withNearest(
    thrown: unknown,
    repo: RepoRef,
    reference: string,
    signal: AbortSignal,
  ): Promise<unknown> {
    if (!(thrown instanceof FetchError) || thrown.code !== 'NOT_FOUND' || reference.includes(':'))
      return thrown;
    const connection = this.#connect(repo);
    let tags: readonly string[] = [];
    try {
      tags = await listTags(connection, this.kind, signal, 'once');
    } catch (failure) {
      signal.throwIfAborted();
      // Registries that are like Ollama's need not have a page of every model.
      const isListed = this.kind === 'oci' || connection.place.host === OLLAMA_HOST;
      const isMissing = failure instanceof FetchError && failure.code === 'NOT_FOUND';
      if (isListed && isMissing) return noModel(connection, thrown);
    }
    if (tags.length === 0) return thrown;
    return new FetchError('NOT_FOUND', thrown.message, {
      cause: thrown,
      status: thrown.status,
      hint: `${suggestion(reference, tags, 6)} ${thrown.hint ?? ''}`.trim(),
    });
  }
}

/** Neither the tag is there nor a list of tags. */
function noModel(connection: RegistryConnection, cause: FetchError): FetchError {
  const { name, host } = connection.subject('');
  const place = host === OLLAMA_HOST ? 'https://ollama.com/search' : 'the catalogue of the registry';
  return new FetchError('NOT_FOUND', `${host} has no ${name}`, {
    cause,
    status: cause.status,
    hint: `Check the name, for example in ${place}. A model that is private may need a login: --token USER:PASSWORD.`,
  });
}

/** The tag is another manifest by now, and the registry has no other name for the old one. */
function movedOn(cause: FetchError, name: string, now: string): FetchError {
  return new FetchError('NOT_FOUND', `${cause.message}; the tag ${name} is ${shortId(now)} now`, {
    cause,
    status: cause.status,
    hint: cause.hint,
  });
}

/** Of a model. Throws USAGE for an index that does not say which of several models is meant. */
function imageOf({ manifest, ...received }: ReceivedManifest, name: string): ReceivedManifest<ImageManifest> {
  if (manifest.kind === 'image') return { ...received, manifest };
  const { manifests } = manifest;
  const [first] = manifests;
  if (first === undefined)
    throw new FetchError('NOT_FOUND', `${name} is an index without manifests`, {
      hint: `See its tags with \`fetch branches ${name}\`.`,
    });
  const shown = manifests.slice(0, 50).map(named).join(', ');
  const more = manifests.length > 50 ? `, and ${manifests.length - 50} more` : '';
  throw new FetchError('USAGE', `${name} is an index of ${manifests.length} manifests: ${shown}${more}.`, {
    hint: `Name one of them by its digest: fetch ${name}@${first.digest}.`,
  });
}

function named({ digest, platform }: Descriptor): string {
  return platform === undefined ? digest : `${digest} (${platform})`;
}

function indexInCircles(name: string): FetchError {
  return new FetchError(
    'NETWORK',
    `the manifest of ${name} cannot be used: an index names an index, and so on`,
    {
      hint: 'Name the manifest of the model by its digest.',
    },
  );
}

async function readBlob(
  connection: RegistryConnection,
  path: string,
  { hex, size }: { readonly hex: string; readonly size: number },
  wanted: ByteRange,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const subject = connection.subject(path, { layer: layerName(path, hex) });
  const address = connection.address('blobs', `sha256:${hex}`);
  const isWhole = wanted.start === 0 && wanted.end === size;
  const headers = isWhole ? {} : { range: formatRange(wanted) };
  const { response } = await connection.send({ address, subject, headers }, signal);
  const { status } = response;
  if (status !== 200 && status !== 206) throw await connection.refusalOf(response, subject, signal);
  const answer = rangeAnswer(status, response.headers, wanted, size);
  const start = answer.kind === 'whole' ? 0 : wanted.start;
  const usable = answer.kind === 'whole' || answer.kind === 'range';
  if (!usable) response.body.destroy();
  const body = usable
    ? await readBody(response, wanted.end - start, signal, { beyond: 'cut' })
    : Buffer.alloc(0);
  const bytes = body.subarray(wanted.start - start);
  if (bytes.length === wanted.end - wanted.start) return bytes;
  throw new FetchError(
    'NETWORK',
    `${response.url.host} sent ${bytes.length} of ${wanted.end - wanted.start} bytes of ${path}`,
    { retryable: true, hint: 'A cache or a proxy on the way may be broken: try again later.' },
  );
}
