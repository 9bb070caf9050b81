import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compareWithTruth } from '../support/hub/compare.ts';
import { onDisk } from '../support/hub/content/content.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { type HubFile, xetFile } from '../support/hub/repositories/file.ts';
import { ContentStore } from '../support/xet/content-store.ts';
import { bfloat16, versions } from '../support/xet/contents.ts';
import { uploadFiles } from '../support/xet/hf-xet.ts';
import { serve } from './helper.ts';

/** What the storage has sent since `prepare`. */
export interface XetCounts {
  /** Xorbs: the compressed chunks. */
  readonly xorbs: number;
  /** Everything: xorbs, reconstructions, the API of the hub, plain HTTP. */
  readonly all: number;
  /** Requests for xorbs, or for bytes over plain HTTP, that are being answered now. */
  readonly open: number;
}

export interface XetFacts {
  readonly origin: string;
  /** What `hf_xet` needs to download the whole file without a hub. */
  readonly whole: { readonly url: string; readonly xetHash: string; readonly size: number };
}

const FILE = 'model.safetensors';
const TENSOR_BYTES = 32 << 20;

let running: { readonly hub: Hub; readonly store: ContentStore } | undefined;

function servers(): { readonly hub: Hub; readonly store: ContentStore } {
  if (running === undefined) throw new Error('the hub was not started');
  return running;
}

const methods = {
  /** A hub and a content store with `bench/whole`, and with an update in `bench/header` and `bench/low-bits` each. */
  async start(given: { directory: string; python: string; size: number }): Promise<XetFacts> {
    const { directory, python, size } = given;
    const store = await ContentStore.start({ tokenSeconds: 3600 });
    const contents = contentsOf(size);
    const paths = Object.keys(contents).map((name) => join(directory, name));
    for (const [name, content] of Object.entries(contents)) writeFileSync(join(directory, name), content);
    const home = join(directory, 'upload-home');
    mkdirSync(home);
    const endpoint = { url: store.casOrigin, token: store.writeToken() };
    const uploaded = await uploadFiles({ python, home }, endpoint, paths);
    const [whole, a, b, aLow, c] = uploaded.map(({ path, xetHash }) => xetFile(FILE, onDisk(path), xetHash));
    const one = (file: HubFile | undefined): HubFile[] => (file === undefined ? [] : [file]);
    const hub = await startHub({
      repositories: [
        { id: 'bench/whole', branches: { main: one(whole) } },
        { id: 'bench/header', branches: { main: one(a), next: one(b) } },
        { id: 'bench/low-bits', branches: { main: one(aLow), next: one(c) } },
      ],
      contentStore: store,
    });
    running = { hub, store };
    const xetHash = uploaded[0]?.xetHash ?? '';
    return { origin: hub.origin, whole: { url: store.casOrigin, xetHash, size } };
  },

  /** Before a run: counts from here, and hands out a token for reading. */
  prepare({ bytesPerSecond }: { bytesPerSecond: number | undefined }): {
    accessToken: string;
    expires: number;
  } {
    const { hub, store } = servers();
    hub.log.clear();
    store.log.clear();
    store.settings.bytesPerSecond = bytesPerSecond;
    return store.readToken();
  },

  count(): XetCounts {
    const { hub, store } = servers();
    const open = [...store.log.where({ kind: 'xorb' }), ...hub.log.where({ origin: 'cdn' })];
    return {
      xorbs: store.log.bytesSent('xorbs'),
      all: store.log.bytesSent() + hub.log.bytesSent(),
      open: open.filter(({ tookMs }) => tookMs === undefined).length,
    };
  },

  /** What a directory has otherwise than it should; the empty text if nothing. */
  async compare(given: { repo: string; revision: string; directory: string }): Promise<string> {
    const truth = await servers().hub.truth(given.repo, given.revision);
    const differences = await compareWithTruth(given.directory, truth);
    return differences.map(({ path, what }) => `${path}: ${what}`).join(', ');
  },
};

/** Weights of 16 bits: the store holds them in five sixths of their size, as it does real ones. */
function contentsOf(size: number): Readonly<Record<string, Buffer>> {
  const tensors = Array.from({ length: Math.ceil(size / TENSOR_BYTES) }, (_, index) =>
    bfloat16(2000 + index, Math.min(TENSOR_BYTES, size - index * TENSOR_BYTES)),
  );
  const header = versions({ tensors: 22, tensorBytes: 8 << 20, changed: 9 });
  const low = versions({ tensors: 3, tensorBytes: 63_000_000, changed: 1 });
  return { whole: Buffer.concat(tensors), a: header.a, b: header.b, 'a-low-bits': low.a, c: low.c };
}

export type XetMethods = typeof methods;

serve(methods);
