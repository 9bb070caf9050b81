import type { Hasher } from '../hash/hash-pool.ts';
import type { Emit } from '../model/event.ts';
import type { Source } from '../source/source.ts';
import type { Store } from '../store/store.ts';
import type { Clock, Random } from '../system/clock.ts';
import type { RetryPolicy } from '../system/retry.ts';
import type { Transport } from './transport/transport.ts';

/** What carrying out a plan needs from the world. */
export interface TransferContext {
  readonly source: Pick<Source, 'locate'>;
  readonly store: Store;
  readonly hasher: Hasher;
  readonly transport: Transport;
  /** Upper bound of connections that carry file bytes. */
  readonly connections: number;
  /** Files that may wait for their hash and their name before connections wait for them: each holds descriptors. */
  readonly waitingFiles: number;
  /** How many of them large files may have. */
  readonly largeConnections: number;
  /** Milliseconds that the source took for an answer; undefined if it was not asked. */
  readonly hubWaitMs?: number | undefined;
  /** Bytes per second that the user allows; undefined for all there are. */
  readonly bytesPerSecond: number | undefined;
  readonly retry: RetryPolicy;
  readonly clock: Clock;
  readonly random: Random;
  readonly emit: Emit;
  readonly signal: AbortSignal;
  /** Given a function that says, in lines for people, what every connection is at. */
  readonly onStatus?: ((inspect: () => string[]) => void) | undefined;
}
