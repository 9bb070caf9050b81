import { compareWithTruth } from '../support/hub/compare.ts';
import { onDisk } from '../support/hub/content/content.ts';
import { manyFiles } from '../support/hub/fixtures/odd.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { lfsFile } from '../support/hub/repositories/file.ts';
import { serve } from './helper.ts';

export interface HubRequest {
  /** Repository to its weights: name and where the content lies. */
  readonly repositories: Readonly<
    Record<string, readonly { readonly name: string; readonly file: string }[]>
  >;
  /** A repository of so many small files. */
  readonly small: { readonly id: string; readonly count: number };
}

export interface HubFacts {
  readonly port: number;
  readonly repositories: Readonly<
    Record<string, { readonly commit: string; readonly files: readonly HubFileFacts[] }>
  >;
}

export interface HubFileFacts {
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
}

let hub: Hub | undefined;

function runningHub(): Hub {
  if (hub === undefined) throw new Error('the hub was not started');
  return hub;
}

const methods = {
  async start(request: HubRequest): Promise<HubFacts> {
    hub = await startHub({
      repositories: [
        ...Object.entries(request.repositories).map(([id, files]) => ({
          id,
          branches: { main: files.map(({ name, file }) => lfsFile(name, onDisk(file))) },
        })),
        manyFiles(request.small.count, request.small.id),
      ],
    });
    const facts: Record<string, { commit: string; files: HubFileFacts[] }> = {};
    for (const id of [...Object.keys(request.repositories), request.small.id]) {
      const truth = await hub.truth(id);
      facts[id] = {
        commit: hub.repository(id).commitOf('main').id,
        files: truth.map(({ path, size, sha256 }) => ({ path, size, sha256 })),
      };
    }
    return { port: Number(new URL(hub.origin).port), repositories: facts };
  },

  /** Before a run: where the storage is from now on, and nothing was asked yet. */
  prepare({ cdnBase }: { cdnBase: string | undefined }): void {
    runningHub().settings.cdnBase = cdnBase;
    runningHub().log.clear();
  },

  /** Bytes of files that the hub itself has sent, and requests, since `prepare`. */
  count(): { bytes: number; requests: number } {
    const { log } = runningHub();
    return { bytes: log.bytesSent({ kind: ['cdn', 'resolve-cache', 'raw'] }), requests: log.count() };
  },

  /** What a directory has otherwise than it should; the empty text if nothing. */
  async compare({ id, directory }: { id: string; directory: string }): Promise<string> {
    const differences = await compareWithTruth(directory, await runningHub().truth(id));
    return differences
      .slice(0, 3)
      .map(({ path, what }) => `${path}: ${what}`)
      .join(', ');
  },
};

export type HubMethods = typeof methods;

serve(methods);
