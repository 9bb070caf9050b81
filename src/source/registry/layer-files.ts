import { FetchError } from '../../model/error.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { Descriptor, ImageManifest, ReceivedManifest } from './manifest.ts';

const OLLAMA = 'application/vnd.ollama.image.';

/** File names for layers that have no name of their own, by media type. */
const BY_MEDIA_TYPE: ReadonlyMap<string, string> = new Map(
  Object.entries({
    [`${OLLAMA}model`]: 'model.gguf',
    [`${OLLAMA}projector`]: 'projector.gguf',
    [`${OLLAMA}adapter`]: 'adapter.gguf',
    [`${OLLAMA}draft`]: 'draft.gguf',
    [`${OLLAMA}template`]: 'template',
    [`${OLLAMA}prompt`]: 'template',
    [`${OLLAMA}system`]: 'system',
    [`${OLLAMA}params`]: 'params.json',
    [`${OLLAMA}messages`]: 'messages.json',
    [`${OLLAMA}license`]: 'license',
    // Written by Docker Model Runner before it named its files.
    'application/vnd.docker.ai.gguf.v3': 'model.gguf',
    'application/vnd.docker.ai.gguf.v3.lora': 'adapter.gguf',
    'application/vnd.docker.ai.safetensors': 'model.safetensors',
    'application/vnd.docker.ai.mmproj': 'projector.gguf',
    'application/vnd.docker.ai.dduf': 'model.dduf',
    'application/vnd.docker.ai.license': 'license',
    'application/vnd.docker.ai.chat.template.jinja': 'chat_template.jinja',
  }),
);

/** Ollama's layers that hold weights. */
const WEIGHTS: ReadonlySet<string> = new Set([`${OLLAMA}model`, `${OLLAMA}tensor`]);

const TENSORS: ReadonlySet<string> = new Set([`${OLLAMA}tensor`, `${OLLAMA}json`]);

/** The type that oras gives to every plain file. */
const ORAS_FILE = 'application/vnd.oci.image.layer.v1.tar';

/** A blob of a manifest, or the manifest itself, as a file. */
export interface RegistryFile extends RemoteFile {
  readonly digest: NonNullable<RemoteFile['digest']>;
  /** The blob; undefined for the manifest. */
  readonly layer: Descriptor | undefined;
}

/**
 * The files of a manifest: every layer in its order, then the config and the manifest. Names come from the registry
 * and are not checked here. Throws DISK if two different layers have the same name.
 */
export function filesOf({ bytes, digest, manifest }: ReceivedManifest<ImageManifest>): RegistryFile[] {
  const taken = new Set<string>();
  const files: RegistryFile[] = [];
  const add = (path: string, layer: Descriptor, more: Pick<RemoteFile, 'unfit'> = {}): void => {
    taken.add(key(path));
    files.push({ path, size: layer.size, digest: sha256(layer.digest), layer, ...more });
  };
  const { layers, config } = manifest;
  const ownNames = layers.map(ownName);
  const published = new Map<string, string>();
  for (const [index, layer] of layers.entries()) {
    const path = ownNames[index];
    if (path === undefined) continue;
    // Names that differ in case only are refused where the disk does not tell them apart, by the store.
    const held = published.get(path);
    if (held !== undefined && held !== layer.digest) throw nameTwice(path);
    if (held === undefined) add(path, layer, archiveNote(layer));
    published.set(path, layer.digest);
  }
  for (const [index, layer] of layers.entries()) {
    if (ownNames[index] !== undefined) continue;
    const usual = BY_MEDIA_TYPE.get(layer.mediaType) ?? `layer-${layer.digest.slice(7, 19)}`;
    add(freeName(usual, taken), layer, archiveNote(layer));
  }
  add(blobName('config.json', taken), config);
  const path = blobName('manifest.json', taken);
  files.push({ path, size: bytes.length, digest: sha256(digest), layer: undefined });
  return inOrder(files, layers);
}

/** Whether an Ollama manifest has weights: that of a cloud model has none. */
export function hasWeights({ layers }: ImageManifest): boolean {
  return layers.some(({ mediaType }) => WEIGHTS.has(mediaType) || !mediaType.startsWith(OLLAMA));
}

/** The name of a layer in messages. */
export function layerName(path: string, hex: string): string {
  return `${path} (sha256:${hex.slice(0, 12)})`;
}

/** The path that the publisher gave the layer. */
function ownName({ mediaType, name, filepath, title }: Descriptor): string | undefined {
  const written = filepath ?? title ?? (TENSORS.has(mediaType) ? name : undefined);
  return written?.replace(/^(?:\.\/)+/, '');
}

function archiveNote(layer: Descriptor): Pick<RemoteFile, 'unfit'> {
  return isArchive(layer) ? { unfit: 'it is an archive, and fetch unpacks none' } : {};
}

/**
 * A tar archive, compressed or not. oras also uses the type of a tar for plain files: only `unpack` marks a directory
 * that it packed.
 */
function isArchive({ mediaType, title, unpack }: Descriptor): boolean {
  if (unpack === true) return true;
  const type = mediaType.split(';', 1)[0]!.trim().toLowerCase();
  if (type === ORAS_FILE && title !== undefined) return false;
  return /(?:^|[./+-])(?:tar|tgz)(?:[.+](?:gzip|gz|zstd|zst|bzip2|xz))?$/.test(type);
}

/** `license`, `license-2`; `projector.gguf`, `projector-2.gguf`. */
function freeName(usual: string, taken: ReadonlySet<string>): string {
  const dot = usual.lastIndexOf('.');
  const [stem, extension] = dot <= 0 ? [usual, ''] : [usual.slice(0, dot), usual.slice(dot)];
  let path = usual;
  for (let count = 2; taken.has(key(path)); count += 1) path = `${stem}-${count}${extension}`;
  return path;
}

/** If a layer already has the usual name of the config or the manifest, the layer keeps it. */
function blobName(usual: string, taken: ReadonlySet<string>): string {
  return taken.has(key(usual)) ? freeName(usual.replace('.json', '-blob.json'), taken) : usual;
}

/** Some file systems ignore case in names. */
function key(path: string): string {
  return path.toLowerCase();
}

function sha256(digest: string): RegistryFile['digest'] {
  return { algorithm: 'sha256', hex: digest.slice('sha256:'.length) };
}

/** In the order of the layers; config and manifest last. */
function inOrder(files: RegistryFile[], layers: readonly Descriptor[]): RegistryFile[] {
  const places = new Map(layers.map((layer, index) => [layer, index]));
  const place = ({ layer }: RegistryFile) => (layer && places.get(layer)) ?? layers.length;
  return files.sort((left, right) => place(left) - place(right));
}

function nameTwice(path: string): FetchError {
  return new FetchError(
    'DISK',
    `two different layers of the manifest bear the name ${JSON.stringify(path)}`,
    {
      hint: 'Nothing was written. Ask the publisher to name them apart.',
    },
  );
}
