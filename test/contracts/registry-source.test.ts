import { createHash } from 'node:crypto';
import { describe } from 'vitest';
import { bytes, generated } from '../support/hub/content/content.ts';
import { ollamaModel, type PushedModel, pushed } from '../support/registry/model.ts';
import { Registry, type RegistryOptions } from '../support/registry/registry.ts';
import { makeRegistrySource } from '../support/registry-source.ts';
import { sourceContract } from './source.contract.ts';

const FILE = 'application/vnd.oci.image.layer.v1.tar';
const titled = (title: string) => ({ 'org.opencontainers.image.title': title });

/** What is in a model, by the names that its files get. */
async function truthOf(model: PushedModel, names: Readonly<Record<string, string>>) {
  const document = JSON.parse(model.manifest.toString()) as {
    readonly config: { readonly digest: string };
    readonly layers: readonly {
      readonly mediaType: string;
      readonly digest: string;
      readonly annotations?: Record<string, string>;
    }[];
  };
  const files: [string, Buffer][] = [];
  for (const { mediaType, digest, annotations } of document.layers) {
    const path =
      annotations?.['org.opencontainers.image.title'] ?? names[mediaType.split('.').at(-1)!] ?? mediaType;
    files.push([path, await read(model, digest)]);
  }
  files.push(['config.json', await read(model, document.config.digest)], ['manifest.json', model.manifest]);
  return files.map(([path, content]) => ({
    path,
    size: content.length,
    sha256: createHash('sha256').update(content).digest('hex'),
    gitSha1: '',
    bytes: async () => content,
  }));
}

async function read(model: PushedModel, digest: string): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const content = model.blobs.get(digest)!;
  for await (const piece of content.read(0, content.size)) pieces.push(piece);
  return Buffer.concat(pieces);
}

const OLLAMA_NAMES = { model: 'model.gguf', template: 'template', params: 'params.json', license: 'license' };

function world(kind: 'ollama' | 'oci', more: Partial<RegistryOptions> = {}) {
  return async () => {
    const latest = await ollamaModel(generated('latest', 70_003));
    const small = await ollamaModel(generated('small', 5001));
    const oras = await pushed({
      form: 'oci',
      configType: 'application/vnd.oci.empty.v1+json',
      layers: [
        { type: FILE, content: generated('oras', 40_001), annotations: titled('weights/model.safetensors') },
        { type: FILE, content: bytes('# About\n'), annotations: titled('README.md') },
      ],
    });
    const name = kind === 'ollama' ? 'library/tiny' : 'models/tiny/deep';
    const models = kind === 'ollama' ? { latest, '1b': small } : { latest: oras, '1b-q4_0': small };
    const second = kind === 'ollama' ? '1b' : '1b-q4_0';
    const registry = await Registry.start({ like: kind, models: { [name]: models }, ...more });
    const setup = makeRegistrySource(kind);
    const first = models.latest;
    return {
      source: setup.source,
      repo: { source: kind, type: 'model', id: `${registry.host}/${name}` } as const,
      missingRepo: { source: kind, type: 'model', id: `${registry.host}/library/nothing` } as const,
      revisions: [
        { name: 'latest', id: first.digest },
        { name: second, id: small.digest },
        { name: small.digest, id: small.digest },
      ],
      // Ollama's page has them in its own order, a list in that of the alphabet.
      refs: (kind === 'ollama' ? ['latest', '1b'] : ['1b-q4_0', 'latest']).map((ref) => ({
        kind: 'tag' as const,
        name: ref,
      })),
      truth: async (revision: string) => await truthOf(revision === 'latest' ? first : small, OLLAMA_NAMES),
      resolveLists: true,
      requests: () => registry.log.length,
      failNext: (times: number) =>
        registry.fault({ on: 'any', times, effect: { kind: 'status', status: 503 } }),
      stallNext: () => registry.fault({ on: 'any', times: 1, effect: { kind: 'stall' } }),
      async [Symbol.asyncDispose]() {
        setup[Symbol.dispose]();
        await registry[Symbol.asyncDispose]();
      },
    };
  };
}

describe('sources of registries', () => {
  sourceContract("Ollama's registry", world('ollama'));
  sourceContract('an OCI registry', world('oci'));
  sourceContract('an OCI registry with a storage', world('oci', { redirects: true }));
});
