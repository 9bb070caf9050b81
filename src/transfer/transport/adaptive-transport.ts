import type { HttpLocation } from '../../source/location.ts';
import type { Clock } from '../../system/clock.ts';
import { unlessAborted } from '../../system/on-abort.ts';
import type { NodeHttpTransport } from './node-http-transport.ts';
import { UnsupportedResponse } from './socket/socket-exchange.ts';
import type { SocketTransport } from './socket/socket-transport.ts';
import type { HttpJob, RangeObserver, Transport } from './transport.ts';

/** While the first answer of an odd host is on its way, the others wait for it so long at the most. */
const PATIENCE_MS = 1000;

export interface AdaptiveTransportOptions {
  /** Nobody waits for the first answer of an odd host, for tests and measurements. */
  readonly trustAll: boolean;
  readonly clock: Clock;
  readonly trace: (message: string) => void;
}

/**
 * Lets the strict transport serve every host until the first answer that surprises it. What it cannot take is asked
 * for again by the transport that copes with everything. An odd host may send a whole file for a range, and that is
 * for one connection: there, the first answer comes alone.
 */
export class AdaptiveTransport implements Transport<HttpLocation> {
  readonly #core: NodeHttpTransport;
  readonly #raw: SocketTransport;
  readonly #options: AdaptiveTransportOptions;
  /** Hosts that are left to the core transport. */
  readonly #odd = new Set<string>();
  /** Those of them whose first answer to it has come. */
  readonly #answered = new Set<string>();
  /** Those whose first answer is on its way, and what settles when it is there. */
  readonly #awaited = new Map<string, Promise<void>>();

  constructor(core: NodeHttpTransport, raw: SocketTransport, options: AdaptiveTransportOptions) {
    this.#core = core;
    this.#raw = raw;
    this.#options = options;
  }

  async bring(job: HttpJob, observer: RangeObserver, signal: AbortSignal): Promise<void> {
    const { origin } = new URL(job.location.url);
    // Other addresses are for hosts that have refused the usual ranges.
    if (job.location.ranges !== 'any') return await this.#core.bring(job, observer, signal);
    if (!this.#odd.has(origin)) {
      try {
        return await this.#raw.bring(job, observer, signal);
      } catch (error) {
        if (!(error instanceof UnsupportedResponse)) throw error;
        if (!error.lasting) return await this.#core.bring(job, observer, signal);
        if (!this.#odd.has(origin))
          this.#options.trace(`${origin} is left to the core transport: ${error.message}`);
        this.#odd.add(origin);
      }
    }
    if (!this.#answered.has(origin) && !this.#options.trustAll) {
      const first = this.#awaited.get(origin);
      if (first === undefined) return await this.#askFirst(origin, job, observer, signal);
      await unlessAborted(first, signal);
    }
    return await this.#core.bring(job, observer, signal);
  }

  /** They share what is known of addresses, and idle connections of the core transport close by themselves. */
  elsewhere(): void {
    this.#raw.elsewhere();
  }

  /** The first request to an odd host by the core transport: the others wait until it is known what comes. */
  async #askFirst(origin: string, job: HttpJob, observer: RangeObserver, signal: AbortSignal): Promise<void> {
    let answered = () => {};
    const answer = new Promise<void>((resolve) => {
      const cancel = this.#options.clock.after(PATIENCE_MS, resolve);
      answered = () => {
        cancel();
        resolve();
      };
    });
    this.#awaited.set(origin, answer);
    try {
      await this.#core.bring(job, observer, signal, () => {
        this.#answered.add(origin);
        answered();
      });
    } finally {
      answered();
      this.#awaited.delete(origin);
    }
  }
}
