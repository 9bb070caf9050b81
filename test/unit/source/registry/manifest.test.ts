import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { filesOf } from '../../../../src/source/registry/layer-files.ts';
import {
  type ImageManifest,
  LayerCounter,
  parseManifest,
  type ReceivedManifest,
} from '../../../../src/source/registry/manifest.ts';

const OLLAMA = 'application/vnd.ollama.image.';
const DOCKER = 'application/vnd.docker.distribution.manifest.v2+json';
const OCI_TAR = 'application/vnd.oci.image.layer.v1.tar';
const NETWORK = expect.objectContaining({ code: 'NETWORK', retryable: false });

let serial = 0;

function layer(mediaType: string, more: Record<string, unknown> = {}) {
  serial += 1;
  const digest = `sha256:${createHash('sha256').update(String(serial)).digest('hex')}`;
  return { mediaType, digest, size: serial, ...more };
}

const config = layer('application/vnd.docker.container.image.v1+json');

function document(layers: readonly unknown[], more: Record<string, unknown> = {}): string {
  return JSON.stringify({ schemaVersion: 2, mediaType: DOCKER, config, layers, ...more });
}

function received(layers: readonly unknown[]): ReceivedManifest<ImageManifest> {
  const found = parseManifest(Buffer.from(document(layers)), undefined, 'mixtral:8x7b');
  return found as ReceivedManifest<ImageManifest>;
}

const names = (layers: readonly unknown[]) => filesOf(received(layers)).map(({ path }) => path);
const titled = (title: string, more: Record<string, string> = {}) => ({
  annotations: { 'org.opencontainers.image.title': title, ...more },
});

describe('a manifest', () => {
  test('keeps its bytes, and its digest is of them', () => {
    const text = `${document([layer(`${OLLAMA}model`)])}  \n`;
    const found = parseManifest(Buffer.from(text), DOCKER, 'x');
    expect(Buffer.from(found.bytes).toString()).toBe(text);
    expect(found.digest).toBe(`sha256:${createHash('sha256').update(text).digest('hex')}`);
  });

  test.each([
    ['no JSON', 'not json'],
    ['a page', '<!doctype html><html></html>'],
    ['a list', '[]'],
    ['bytes that are no UTF-8', Buffer.from([0x7b, 0xff, 0x7d])],
    ['schema 1', JSON.stringify({ schemaVersion: 1, fsLayers: [] })],
    ['no layers', JSON.stringify({ schemaVersion: 2, config })],
    ['no config', JSON.stringify({ schemaVersion: 2, layers: [] })],
    ['a layer without digest', document([{ mediaType: 'x', size: 1 }])],
    ['a digest that climbs', document([{ mediaType: 'x', size: 1, digest: '../../etc/passwd' }])],
    ['a sha512', document([{ mediaType: 'x', size: 1, digest: `sha512:${'a'.repeat(128)}` }])],
    ['a negative size', document([{ ...layer('x'), size: -1 }])],
    ['a size in words', document([{ ...layer('x'), size: '12' }])],
    ['a size beyond counting', document([{ ...layer('x'), size: 1e300 }])],
    ['sizes that add up beyond counting', document([1, 2].map(() => ({ ...layer('x'), size: 2 ** 53 - 1 })))],
    ['two kinds at once', document([], { manifests: [] })],
    [
      'an index that says it is an image',
      JSON.stringify({ schemaVersion: 2, mediaType: DOCKER, manifests: [] }),
    ],
  ])('%s is refused', (_, text) => {
    expect(() => parseManifest(Buffer.from(text), undefined, 'x')).toThrow(NETWORK);
  });

  test('an index names its manifests', () => {
    const manifests = [layer(DOCKER, { platform: { os: 'linux', architecture: 'amd64' } }), layer(DOCKER)];
    const { manifest } = parseManifest(
      Buffer.from(JSON.stringify({ schemaVersion: 2, manifests })),
      'application/vnd.oci.image.index.v1+json; charset=utf-8',
      'x',
    );
    expect(manifest).toMatchObject({ kind: 'index', manifests: [{ platform: 'linux/amd64' }, {}] });
  });

  test('more than 20,000 layers are refused, and while they arrive', () => {
    const layers = Array.from({ length: 20_001 }, () => layer('x'));
    expect(() => parseManifest(Buffer.from(document(layers)), undefined, 'x')).toThrow(NETWORK);
    const counter = new LayerCounter('x');
    const bytes = Buffer.from(document([...layers, layer('x')]));
    let seen = 0;
    const read = () => {
      // Odd pieces: some words come in two.
      for (; seen < bytes.length; seen += 997) counter.add(bytes.subarray(seen, seen + 997));
    };
    expect(read).toThrow(NETWORK);
    const allowed = new LayerCounter('x');
    const fine = Buffer.from(document(layers.slice(1)));
    for (let at = 0; at < fine.length; at += 997) allowed.add(fine.subarray(at, at + 997));
    expect(parseManifest(fine, undefined, 'x').manifest).toMatchObject({ kind: 'image' });
  });
});

describe('files of a manifest', () => {
  test('are named by the media types of Ollama, and numbered from the second of a kind on', () => {
    const kinds = 'model projector projector adapter draft template system params messages license license';
    expect(names(kinds.split(' ').map((kind) => layer(`${OLLAMA}${kind}`)))).toEqual([
      'model.gguf',
      'projector.gguf',
      'projector-2.gguf',
      'adapter.gguf',
      'draft.gguf',
      'template',
      'system',
      'params.json',
      'messages.json',
      'license',
      'license-2',
      'config.json',
      'manifest.json',
    ]);
  });

  test('have the sizes and digests of the manifest, and the manifest its own', () => {
    const model = layer(`${OLLAMA}model`);
    const found = received([model]);
    expect(filesOf(found).map(({ path, size, digest }) => [path, size, `sha256:${digest.hex}`])).toEqual([
      ['model.gguf', model.size, model.digest],
      ['config.json', config.size, config.digest],
      ['manifest.json', found.bytes.length, found.digest],
    ]);
  });

  test('tensors and JSON of safetensors builds have their own names', () => {
    const layers = [
      layer(`${OLLAMA}tensor`, { name: 'model.layers.0.mlp.down_proj.weight' }),
      layer(`${OLLAMA}json`, { name: 'config.json' }),
      layer(`${OLLAMA}json`, { name: 'text_encoder/config.json' }),
      layer(`${OLLAMA}template`, { name: 'not this one' }),
    ];
    expect(names(layers)).toEqual([
      'model.layers.0.mlp.down_proj.weight',
      'config.json',
      'text_encoder/config.json',
      'template',
      'config-blob.json',
      'manifest.json',
    ]);
  });

  test('annotations come first: the path of ModelPack before the title of oras', () => {
    const both = titled('title.gguf', { 'org.cncf.model.filepath': 'weights/path.gguf' });
    const layers = [
      layer('x/y', both),
      layer('x/y', titled('./README.md')),
      layer(`${OLLAMA}model`, titled('a.gguf')),
    ];
    expect(names(layers).slice(0, 3)).toEqual(['weights/path.gguf', 'README.md', 'a.gguf']);
  });

  test('a layer keeps the names of config and manifest, whatever its case', () => {
    const layers = [layer('x/y', titled('Config.json')), layer('x/y', titled('manifest.json'))];
    expect(names(layers)).toEqual(['Config.json', 'manifest.json', 'config-blob.json', 'manifest-blob.json']);
    const all = [...layers, layer('x/y', titled('config-blob.json'))];
    expect(names(all)).toContain('config-blob-2.json');
  });

  test('a name of a media type gives way to the same name that a publisher chose', () => {
    const layers = [layer(`${OLLAMA}template`), layer('x/y', titled('template'))];
    expect(names(layers).slice(0, 2)).toEqual(['template-2', 'template']);
  });

  test('one layer twice is one file; two layers of one name are refused', () => {
    const one = layer('x/y', titled('a.gguf'));
    expect(names([one, one])).toEqual(['a.gguf', 'config.json', 'manifest.json']);
    const twice = () => names([one, layer('x/y', titled('a.gguf'))]);
    expect(twice).toThrow(expect.objectContaining({ code: 'DISK' }));
  });

  test('names that differ in case only are two files: the disk decides whether it can have both', () => {
    const layers = [layer('x/y', titled('README.md')), layer('x/y', titled('readme.md'))];
    expect(names(layers).slice(0, 2)).toEqual(['README.md', 'readme.md']);
  });

  test('what is of no known kind is named by its digest', () => {
    const strange = layer('application/octet-stream');
    expect(names([strange])[0]).toBe(`layer-${strange.digest.slice(7, 19)}`);
  });

  test.each([
    ['a plain file of oras', layer(OCI_TAR, titled('model.gguf')), false],
    ['a directory of oras', layer(OCI_TAR, titled('data', { 'io.deis.oras.content.unpack': 'true' })), true],
    [
      'a compressed directory of oras',
      layer(`${OCI_TAR}+gzip`, titled('data', { 'io.deis.oras.content.unpack': 'true' })),
      true,
    ],
    ['a layer of a container', layer(`${OCI_TAR}+gzip`), true],
    ['a tar without a title', layer(OCI_TAR), true],
    ['a layer of a Docker image', layer('application/vnd.docker.image.rootfs.diff.tar.gzip'), true],
    ['a KitOps model', layer('application/vnd.kitops.modelkit.model.v1.tar+gzip'), true],
    ['a ModelPack tar', layer('application/vnd.cncf.model.weight.v1.tar', titled('w')), true],
    ['a ModelPack tar, zstd', layer('application/vnd.cncf.model.weight.v1.tar+zstd'), true],
    ['a ModelPack raw file', layer('application/vnd.cncf.model.weight.v1.raw'), false],
    ['a directory of Docker', layer('application/vnd.docker.ai.vllm.config.tar'), true],
    ['a GGUF of Docker', layer('application/vnd.docker.ai.gguf.v3'), false],
    ['a model of Ollama', layer(`${OLLAMA}model`), false],
    ['a word that contains it', layer('application/vnd.guitar'), false],
  ])('%s', (_, one, isArchive) => {
    expect(filesOf(received([one]))[0]!.unfit !== undefined).toBe(isArchive);
  });
});
