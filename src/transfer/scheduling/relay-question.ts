import type { ByteRange } from '../../model/byte-range.ts';

/** A missing range that no connection works on. */
export interface WaitingRange {
  readonly file: number;
  readonly position: number;
  readonly end: number;
}

/** What an idle connection takes: from a peer, or `source`. */
export interface Choice<Waiting extends WaitingRange = WaitingRange> extends ByteRange {
  /** The range that it is a part of. */
  readonly of: Waiting;
  readonly from: number | 'source';
  /** Another run fetches it too, or would have: it does not give way to that. */
  readonly insists: boolean;
}

export interface Question<Waiting extends WaitingRange = WaitingRange> {
  /** In the order in which a run without peers takes them. */
  readonly waiting: Iterable<Waiting>;
  readonly now: number;
  /** Bytes of a request that is worth its cost. */
  readonly bytes: number;
  /** Requests to the source that are active. */
  readonly sourceActive: number;
  /** Connections that there may be. */
  readonly connections: number;
}

/** A file of this run. */
export interface RelayFile {
  readonly path: string;
  readonly size: number;
  /** False if peers are not to be asked for it: then the source is. */
  readonly mayComeFromPeers: boolean;
}

export interface AskablePeer {
  readonly peer: number;
  readonly busy: boolean;
}

export interface RelayOptions {
  /** Names this run. */
  readonly node: string;
  readonly file: (number: number) => RelayFile;
  /** Peers that can be asked for a file, the best first; `busy` ones are to get no further request now. */
  readonly peersFor: (file: number, now: number) => readonly AskablePeer[];
}
