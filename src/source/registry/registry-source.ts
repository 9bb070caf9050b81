import { readBody } from '../../http/body.ts';
import { formatRange, rangeAnswer } from '../../http/range.ts';
import type { ByteRange } from '../../model/byte-range.ts';
import { FetchError } from '../../model/error.ts';
import { isRecord } from '../../model/json.ts';
import { nearest } from '../../model/nearest.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { NamedRef, RepoRef, Revision } from '../../model/repo.ts';
import { shortId } from '../../model/revision-id.ts';
import { retrying } from '../../system/retry.ts';
import type { Location } from '../location.ts';
import type { SourceWith } from '../source.ts';
import { RegistryConnection, type RegistryNetwork } from './connection.ts';
import { filesOf, hasWeights, layerName, type RegistryFile } from './layer-files.ts';
import { locateBlob } from './locate-blob.ts';
import type { Descriptor, ImageManifest, IndexManifest, ReceivedManifest } from './manifest.ts';
import { type RegistryKind, requireReference } from './name.ts';
import { listTags } from './tags.ts';

/** Statuses of registries that know manifests by their tags only. */
const SERVES_NO_DIGESTS: ReadonlySet<number> = new Set([405, 501]);
/** Tags that are read for a table. */
const MAX_TAGS = 1000;
/** Reading into memory is for headers and small files, not for weights. */
const MAX_READ_BYTES = 32 * 1024 * 1024;
/** Manifests that are kept, in bytes. */
const MAX_KEPT_BYTES = 128 * 1024 * 1024;
/** An index may name another one. */
const MAX_INDEXES = 3;
/** Tags that are looked at at the same time. */
const TAGS_AT_ONCE = 8;
const MAX_CONFIG_BYTES = 4 * 1024 * 1024;

interface RegistryTraits {
  readonly branches: true;
  readonly scan: false;
  readonly read: true;
  readonly reconstruct: false;
}

/** A revision: what was asked for, and the manifest of the model that it leads to. */
interface Pinned {
  /** Every manifest on the way, the index first, by digest. */
  readonly documents: ReadonlyMap<string, Uint8Array>;
  readonly image: ReceivedManifest<ImageManifest>;
  readonly files: readonly RegistryFile[];
}

/**
 * Ollama's registry, or any that speaks the OCI distribution protocol. A revision is a tag or a digest; its id is the
 * digest of the manifest that was asked for. Its files are the layers, the config, and the manifest itself.
 */
export class RegistrySource implements SourceWith<RegistryTraits> {
  readonly kind: RegistryKind;
  readonly traits: RegistryTraits = { branches: true, scan: false, read: true, reconstruct: false };
  readonly #network: RegistryNetwork;
  readonly #connections = new Map<string, RegistryConnection>();
  /** By repository and digest. */
  readonly #pinned = new Map<string, Pinned>();
  #keptBytes = 0;
  /** Blobs whose size at the storage was compared. */
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
    if (!hasWeights(pinned.image.manifest)) await this.#refuseWithoutWeights(revision, pinned, signal);
    for (const { layer: _, ...file } of pinned.files) yield file;
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

  /** Every tag with its digest. One request for each tag. */
  async branches(repo: RepoRef, signal: AbortSignal): Promise<readonly NamedRef[]> {
    const connection = this.#connect(repo);
    const tags = await listTags(connection, this.kind, signal);
    const ids = new Map<string, string>();
    const waiting = tags.slice(0, MAX_TAGS);
    const work = async (): Promise<void> => {
      for (let tag = waiting.shift(); tag !== undefined; tag = waiting.shift()) {
        const id = await this.#pin(repo, tag, signal, 'any').catch((thrown: unknown) => {
          // It was removed meanwhile.
          if (!(thrown instanceof FetchError) || thrown.code !== 'NOT_FOUND') throw thrown;
        });
        if (id !== undefined) ids.set(tag, id);
      }
    };
    await Promise.all(Array.from({ length: TAGS_AT_ONCE }, work));
    return tags.flatMap((name) => {
      const id = ids.get(name);
      return id === undefined ? [] : [{ kind: 'tag', name, id } as const];
    });
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

  /**
   * Fetches what a tag or digest names, and keeps it. Returns the digest of what was asked for. An index of several
   * models is USAGE, or with `any` not followed.
   */
  async #pin(
    repo: RepoRef,
    reference: string,
    signal: AbortSignal,
    what: 'model' | 'any' = 'model',
  ): Promise<string> {
    const connection = this.#connect(repo);
    const { name } = connection.subject('');
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
      if (manifest.kind === 'image') {
        const image = { bytes, digest, manifest };
        this.#keep(repo, asked, { documents, image, files: filesOf(image) });
        return asked;
      }
      if (what === 'any' && manifest.manifests.length > 1) return asked;
      if (documents.size > MAX_INDEXES) throw indexInCircles(name);
      wanted = onlyManifest(manifest, name);
    }
  }

  #keep(repo: RepoRef, id: string, pinned: Pinned): void {
    this.#keptBytes += pinned.image.bytes.length;
    if (this.#keptBytes > MAX_KEPT_BYTES) {
      this.#pinned.clear();
      this.#keptBytes = pinned.image.bytes.length;
    }
    this.#pinned.set(`${repo.id}\n${id}`, pinned);
  }

  /** By its digest; where the registry serves none by digest, by its tag if that has not moved. */
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

  /** The bytes of a manifest of the revision, if the digest is that of one. */
  async #document(revision: Revision, hex: string, signal: AbortSignal): Promise<Uint8Array | undefined> {
    const digest = `sha256:${hex}`;
    const known = this.#pinned.get(`${revision.repo.id}\n${revision.id}`);
    if (known !== undefined) return known.documents.get(digest);
    return digest === revision.id
      ? (await this.#pinnedOf(revision, signal)).documents.get(digest)
      : undefined;
  }

  #noFile(revision: Revision, path: string): FetchError {
    const { name } = this.#connect(revision.repo).subject('');
    return new FetchError('NOT_FOUND', `${name} has no file ${JSON.stringify(path)} in this revision`, {
      hint: `See its files with \`fetch ${name}:${revision.name} --dry-run\`.`,
    });
  }

  /** What runs in a cloud has a config and nothing else that could be fetched. */
  async #refuseWithoutWeights(
    revision: Revision,
    { image, files }: Pinned,
    signal: AbortSignal,
  ): Promise<void> {
    const { name } = this.#connect(revision.repo).subject('');
    const config = files.find(({ layer }) => layer === image.manifest.config);
    const where = config === undefined ? undefined : await this.#cloudOf(revision, config, signal);
    if (where === undefined && image.manifest.layers.length > 0) return;
    const what = `${name}:${revision.name} has no weights to download`;
    const why = where === undefined ? '' : `: it runs only in a cloud, at ${where}`;
    throw new FetchError('NOT_FOUND', `${what}${why}`, {
      hint: `See the other tags with \`fetch branches ${name}\`.`,
    });
  }

  /** The host that runs the model, if its config names one. */
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

  /** A tag that is not there is often misspelt: names those that are nearest. */
  async #withNearest(
    thrown: unknown,
    repo: RepoRef,
    reference: string,
    signal: AbortSignal,
  ): Promise<unknown> {
    if (!(thrown instanceof FetchError) || thrown.code !== 'NOT_FOUND' || reference.includes(':'))
      return thrown;
    const tags = await listTags(this.#connect(repo), this.kind, signal).catch(() => []);
    signal.throwIfAborted();
    if (tags.length === 0) return thrown;
    const close = nearest(reference, tags, 6);
    const shown = close.length > 0 ? close : tags.slice(0, 6);
    return new FetchError('NOT_FOUND', thrown.message, {
      cause: thrown,
      status: thrown.status,
      hint: `${close.length > 0 ? 'Nearest' : 'There are'}: ${shown.join(', ')}. ${thrown.hint ?? ''}`.trim(),
    });
  }
}

/** The tag is another manifest by now, and the registry has no other name for the old one. */
function movedOn(cause: FetchError, name: string, now: string): FetchError {
  return new FetchError('NOT_FOUND', `${cause.message}; the tag ${name} is ${shortId(now)} now`, {
    cause,
    status: cause.status,
    hint: cause.hint,
  });
}

/** The manifest that an index is for, if that is clear. */
function onlyManifest({ manifests }: IndexManifest, name: string): string {
  const [first, ...others] = manifests;
  if (first === undefined)
    throw new FetchError('NOT_FOUND', `${name} is an index without manifests`, {
      hint: `See its tags with \`fetch branches ${name}\`.`,
    });
  if (others.length === 0) return first.digest;
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
