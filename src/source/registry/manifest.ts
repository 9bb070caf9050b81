import { createHash } from 'node:crypto';
import { FetchError } from '../../model/error.ts';
import { isRecord, type JsonRecord } from '../../model/json.ts';

/** Larger than any real manifest: one with 800 tensors has some 200 kB. */
export const MAX_MANIFEST_BYTES: number = 32 * 1024 * 1024;
const MAX_LAYERS = 20_000;
/** Maximum of manifests in an index. */
const MAX_MANIFESTS = 20_000;

export const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';
const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';

/** Value of the Accept header for every kind of manifest. */
export const ACCEPT_MANIFEST: string = [DOCKER_MANIFEST, OCI_MANIFEST, OCI_INDEX, DOCKER_LIST].join(', ');

/** The entry for a blob in a manifest, or for a manifest in an index. */
export interface Descriptor {
  readonly mediaType: string;
  /** `sha256:` and 64 lower-case hex digits. */
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
  /** The name of a tensor or JSON file in Ollama's safetensors builds. */
  readonly name?: string;
  /** `org.cncf.model.filepath`: the path that the publisher chose for the file. */
  readonly filepath?: string;
  /** `org.opencontainers.image.title`: the same, as oras writes it. */
  readonly title?: string;
  /** `io.deis.oras.content.unpack` is `true`: the layer is a directory that oras packed. */
  readonly unpack?: boolean;
  /** `OS/ARCHITECTURE`, only in an index. */
  readonly platform?: string;
}

/** The manifest of one model. Docker's schema 2 and the OCI format are alike. */
export interface ImageManifest {
  readonly kind: 'image';
  readonly mediaType: string;
  readonly artifactType: string | undefined;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

/** A list of manifests, for several platforms or uses. */
export interface IndexManifest {
  readonly kind: 'index';
  readonly mediaType: string;
  readonly manifests: readonly Descriptor[];
}

export type Manifest = ImageManifest | IndexManifest;

/** A manifest and its original bytes: the digest is computed over these, so they are kept unchanged. */
export interface ReceivedManifest<M extends Manifest = Manifest> {
  readonly bytes: Uint8Array;
  /** `sha256:` and 64 hex digits. */
  readonly digest: string;
  readonly manifest: M;
}

/** The digest of bytes in the notation of registries. */
export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/**
 * Counts the descriptors of a manifest while it arrives, so that one with too many is refused before it is complete.
 * The searched bytes can only be a key or a string of their own: inside a longer string JSON escapes the quotes.
 */
export class LayerCounter {
  readonly #where: string;
  #tail = '';
  #count = 0;

  constructor(where: string) {
    this.#where = where;
  }

  /** Throws NETWORK if there are more than a manifest may have. */
  add(chunk: Uint8Array): void {
    const key = '"digest"';
    const text =
      this.#tail + Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('latin1');
    for (let at = text.indexOf(key); at >= 0; at = text.indexOf(key, at + key.length)) this.#count += 1;
    this.#tail = text.slice(Math.max(0, text.length - key.length + 1));
    // One more, because the config has a digest too.
    if (this.#count > MAX_LAYERS + 1) throw tooMany(this.#where);
  }
}

/** Parses a manifest. `where` names it in messages. Throws NETWORK for anything else. */
export function parseManifest(
  bytes: Uint8Array,
  contentType: string | undefined,
  where: string,
): ReceivedManifest {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw malformed(where, 'it is not JSON', cause);
  }
  if (!isRecord(json)) throw malformed(where, 'it is not a JSON object');
  return { bytes, digest: digestOf(bytes), manifest: toManifest(json, contentType, where) };
}

function toManifest(json: JsonRecord, contentType: string | undefined, where: string): Manifest {
  if (json['schemaVersion'] !== 2) {
    const version = JSON.stringify(json['schemaVersion'])?.slice(0, 20);
    throw malformed(where, `its schemaVersion is ${version ?? 'missing'}, not 2`);
  }
  const { config, layers, manifests } = json;
  // A document that is both an image manifest and an index means different things to different clients (OCI image
  // spec, CVE-2021-41190).
  if (manifests !== undefined && layers !== undefined)
    throw malformed(where, 'it has both layers and manifests');
  const said = text(json['mediaType']) ?? contentType?.split(';', 1)[0]?.trim();
  const isIndex = manifests !== undefined;
  if (
    (isIndex && isOneOf(said, OCI_MANIFEST, DOCKER_MANIFEST)) ||
    (!isIndex && isOneOf(said, OCI_INDEX, DOCKER_LIST))
  )
    throw malformed(where, 'its mediaType contradicts its content');
  if (isIndex) {
    if (!Array.isArray(manifests)) throw malformed(where, 'its manifests are not a list');
    if (manifests.length > MAX_MANIFESTS) throw tooMany(where);
    const read = manifests.map((one: unknown, index) => toDescriptor(one, `manifest ${index + 1}`, where));
    return { kind: 'index', mediaType: said ?? OCI_INDEX, manifests: read };
  }
  if (!Array.isArray(layers)) throw malformed(where, 'it has no list of layers');
  if (layers.length > MAX_LAYERS) throw tooMany(where);
  const image: ImageManifest = {
    kind: 'image',
    mediaType: said ?? OCI_MANIFEST,
    artifactType: text(json['artifactType']),
    config: toDescriptor(config, 'the config', where),
    layers: layers.map((layer: unknown, index) => toDescriptor(layer, `layer ${index + 1}`, where)),
  };
  const total = [image.config, ...image.layers].reduce((sum, { size }) => sum + size, 0);
  if (!Number.isSafeInteger(total)) throw malformed(where, 'its sizes add up to more than can be counted');
  return image;
}

function toDescriptor(value: unknown, what: string, where: string): Descriptor {
  if (!isRecord(value)) throw malformed(where, `${what} is not a JSON object`);
  const { mediaType, digest, size, annotations, platform } = value;
  if (typeof digest !== 'string' || !/^sha256:[0-9a-f]{64}$/.test(digest))
    throw malformed(where, `${what} has no sha256 digest`);
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
    throw malformed(where, `${what} has no usable size`);
  const noted = isRecord(annotations) ? annotations : {};
  const optional = {
    name: text(value['name']),
    filepath: text(noted['org.cncf.model.filepath']),
    title: text(noted['org.opencontainers.image.title']),
    unpack: noted['io.deis.oras.content.unpack'] === 'true' ? true : undefined,
    platform: isRecord(platform) ? `${platform['os']}/${platform['architecture']}`.slice(0, 60) : undefined,
  };
  const present = Object.fromEntries(Object.entries(optional).filter(([, one]) => one !== undefined));
  return { mediaType: text(mediaType) ?? '', digest, size, ...present };
}

/** An empty text counts as absent. */
function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function isOneOf(said: string | undefined, ...types: readonly string[]): boolean {
  return said !== undefined && types.includes(said);
}

function tooMany(where: string): FetchError {
  return new FetchError('NETWORK', `the manifest of ${where} has more than ${MAX_LAYERS} layers`, {
    hint: 'A valid manifest has fewer, so it was discarded. Check the name of the model.',
  });
}

function malformed(where: string, why: string, cause?: unknown): FetchError {
  return new FetchError('NETWORK', `the manifest of ${where} cannot be used: ${why}`, {
    cause,
    hint: 'The registry, or a proxy or login page on the way, sends a malformed answer. Check the host.',
  });
}
