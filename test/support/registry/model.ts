import { createHash } from 'node:crypto';
import { bytes, type Content, wholeContent } from '../hub/content/content.ts';

const OLLAMA = 'application/vnd.ollama.image.';
const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';

/** A layer before it is pushed. */
export interface LayerDescription {
  /** For Ollama the kind, `model`; else the whole media type. */
  readonly type: string;
  readonly content: Content | string;
  readonly name?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface ModelDescription {
  readonly layers: readonly LayerDescription[];
  readonly config?: Readonly<Record<string, unknown>>;
  readonly configType?: string;
  readonly artifactType?: string;
  /** `docker` if left out. */
  readonly form?: 'docker' | 'oci';
}

/** What stands in a registry: the manifest as bytes, and every blob by its digest. */
export interface PushedModel {
  readonly manifest: Buffer;
  readonly mediaType: string;
  /** `sha256:…` of the manifest. */
  readonly digest: string;
  readonly blobs: ReadonlyMap<string, Content>;
  /** Manifests that this one names: of an index. */
  readonly children: readonly PushedModel[];
}

export function sha256(data: Buffer | string): string {
  return `sha256:${createHash('sha256').update(data).digest('hex')}`;
}

async function digestOf(content: Content): Promise<string> {
  if (content.claimedSha256 !== undefined) return `sha256:${content.claimedSha256}`;
  const hash = createHash('sha256');
  for await (const piece of content.read(0, content.size)) hash.update(piece);
  return `sha256:${hash.digest('hex')}`;
}

/** Builds the manifest of a model; the blobs stay where they are. */
export async function pushed(description: ModelDescription): Promise<PushedModel> {
  const { layers, config = {}, artifactType, form = 'docker' } = description;
  const mediaType = form === 'docker' ? DOCKER_MANIFEST : OCI_MANIFEST;
  const configType = description.configType ?? 'application/vnd.docker.container.image.v1+json';
  const blobs = new Map<string, Content>();
  const put = async (content: Content): Promise<{ digest: string; size: number }> => {
    const digest = await digestOf(content);
    blobs.set(digest, content);
    return { digest, size: content.size };
  };
  const described = [];
  for (const { type, content, name, annotations } of layers) {
    const blob = await put(typeof content === 'string' ? bytes(content) : content);
    const full = type.includes('/') ? type : `${OLLAMA}${type}`;
    described.push({ mediaType: full, ...blob, ...(name && { name }), ...(annotations && { annotations }) });
  }
  const document = {
    schemaVersion: 2,
    mediaType,
    ...(artifactType && { artifactType }),
    config: { mediaType: configType, ...(await put(bytes(JSON.stringify(config)))) },
    layers: described,
  };
  const manifest = Buffer.from(JSON.stringify(document));
  return { manifest, mediaType, digest: sha256(manifest), blobs, children: [] };
}

/** An index over models. */
export function indexOf(children: readonly PushedModel[]): PushedModel {
  const manifests = children.map(({ manifest, mediaType, digest }, place) => {
    const platform = { os: 'linux', architecture: place === 0 ? 'amd64' : 'arm64' };
    return { mediaType, digest, size: manifest.length, platform };
  });
  const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }));
  return { manifest, mediaType: OCI_INDEX, digest: sha256(manifest), blobs: new Map(), children };
}

/** A model as Ollama's registry has it: weights, template, params and a licence. */
export function ollamaModel(
  weights: Content,
  more: {
    readonly config?: Readonly<Record<string, unknown>>;
    readonly layers?: readonly LayerDescription[];
  } = {},
): Promise<PushedModel> {
  const config = {
    model_format: 'gguf',
    model_family: 'llama',
    model_families: ['llama'],
    model_type: '47B',
    file_type: 'Q4_0',
    architecture: 'amd64',
    os: 'linux',
    ...more.config,
  };
  const layers = more.layers ?? [
    { type: 'template', content: '[INST] {{ .System }} {{ .Prompt }} [/INST]' },
    { type: 'params', content: '{"stop":["[INST]","[/INST]"]}' },
    { type: 'license', content: 'Apache License\nVersion 2.0\n' },
  ];
  return pushed({ layers: [{ type: 'model', content: weights }, ...layers], config });
}

/** The bytes of a blob. */
export async function blobOf(model: PushedModel, digest: string): Promise<Buffer> {
  const content = model.blobs.get(digest);
  if (content === undefined) throw new Error(`no blob ${digest}`);
  return await wholeContent(content);
}
