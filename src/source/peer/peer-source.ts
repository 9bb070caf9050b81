import { FetchError, toFetchError } from '../../model/error.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import { type NamedRef, type RepoRef, type Revision, repoPath } from '../../model/repo.ts';
import type { HttpLocation } from '../location.ts';
import { can, type Peer, type Source, type SourceWith } from '../source.ts';

interface PeerTraits {
  readonly branches: true;
  readonly scan: false;
  readonly read: false;
  readonly reconstruct: false;
}

/** A peer, and the hub that it is. */
export interface PeerHub {
  readonly peer: Peer;
  readonly hub: Source;
}

/**
 * Peers in the place of the Hub, for a run that must not ask it: the first one that answers says what a revision is. What it
 * lists is what the files are compared with, so it is trusted as the Hub would be.
 */
export class PeerSource implements SourceWith<PeerTraits> {
  readonly kind = 'hub';
  readonly traits: PeerTraits = { branches: true, scan: false, read: false, reconstruct: false };
  readonly #peers: readonly PeerHub[];
  readonly #onNote: (message: string) => void;
  #told = false;
  /** How often each file was located: a peer that lacks it is not the one to ask again. */
  readonly #located = new Map<string, number>();

  constructor(peers: readonly PeerHub[], onNote: (message: string) => void) {
    this.#peers = peers;
    this.#onNote = onNote;
  }

  resolve(repo: RepoRef, revision: string, signal: AbortSignal): Promise<Revision> {
    return this.#first(`${revision} of ${repoPath(repo)}`, signal, async ({ hub, peer }) => {
      const resolved = await hub.resolve(repo, revision, signal);
      this.#tell(peer);
      return resolved;
    });
  }

  async *list(revision: Revision, signal: AbortSignal): AsyncGenerator<RemoteFile> {
    const what = `the files of ${repoPath(revision.repo)}`;
    yield* await this.#first(what, signal, async ({ hub }) => {
      const files: RemoteFile[] = [];
      for await (const file of hub.list(revision, signal)) files.push(file);
      return files;
    });
  }

  /** The peers in turn. */
  locate(revision: Revision, file: RemoteFile): Promise<HttpLocation> {
    const times = this.#located.get(file.path) ?? 0;
    this.#located.set(file.path, times + 1);
    const { peer } = this.#peers[times % this.#peers.length]!;
    return Promise.resolve(peer.locate(revision, file));
  }

  branches(repo: RepoRef, signal: AbortSignal): Promise<readonly NamedRef[]> {
    return this.#first(`the branches of ${repoPath(repo)}`, signal, async ({ hub }) =>
      can(hub, 'branches') ? await hub.branches(repo, signal) : [],
    );
  }

  /** The answer of the first peer that has one. Throws NOT_FOUND if each of them says that it has none. */
  async #first<T>(what: string, signal: AbortSignal, ask: (peer: PeerHub) => Promise<T>): Promise<T> {
    const failures: FetchError[] = [];
    for (const one of this.#peers) {
      try {
        return await ask(one);
      } catch (thrown) {
        signal.throwIfAborted();
        const error = toFetchError(thrown);
        if (error.side !== 'source') throw error;
        failures.push(error);
      }
    }
    throw noAnswer(what, failures);
  }

  #tell({ address }: Peer): void {
    if (this.#told) return;
    this.#told = true;
    this.#onNote(
      `offline: commit, listing and hashes come from the peer ${address}, and nothing here compares them with the hub`,
    );
  }
}

function noAnswer(what: string, failures: readonly FetchError[]): FetchError {
  const worst = failures.find(({ code }) => code !== 'NOT_FOUND') ?? failures[0];
  return new FetchError(
    worst?.code ?? 'NOT_FOUND',
    `offline, and no peer has ${what}: ${failures.map(({ message }) => message).join('; ')}`,
    {
      status: worst?.status,
      cause: worst,
      hint: 'See that `fetch serve` runs on the peers, and that one of them has fetched all of it: one that is still fetching cannot say what a revision is. Or leave --offline out to ask the hub.',
    },
  );
}
