import type { HttpLocation } from '../../source/location.ts';
import type { Clock } from '../../system/clock.ts';
import { unlessAborted } from '../../system/on-abort.ts';
import type { NodeHttpTransport } from './node-http-transport.ts';
import { UnsupportedResponse } from './socket/socket-exchange.ts';
import type { SocketTransport } from './socket/socket-transport.ts';
import type { HttpJob, RangeObserver, Transport } from './transport.ts';

/** How long other requests to an unusual host wait for its first response, at most. */
const MAX_WAIT_MS = 1000;

export interface AdaptiveTransportOptions {
  /** Do not wait for the first response of an unusual host; for tests and measurements. */
  readonly trustAll: boolean;
  readonly clock: Clock;
  readonly trace: (message: string) => void;
}

/**
 * Lets the strict transport (`raw`) serve every host until the first response that it does not support. That range,
 * and the host from then on, is left to the tolerant one (`core`). An unusual host may send a whole file for a range,
 * which only one connection should receive: the first request to it goes out alone.
 */
export class AdaptiveTransport implements Transport<HttpLocation> {
  readonly #core: NodeHttpTransport;
  readonly #raw: SocketTransport;
  readonly #options: AdaptiveTransportOptions;
  /** Hosts that are left to `core`. */
  readonly #odd = new Set<string>();
  /** Those of them whose first response has arrived. */
  readonly #answered = new Set<string>();
  /** Those whose first request is active, each with a promise that settles when its response is there. */
  readonly #awaited = new Map<string, Promise<void>>();

  constructor(core: NodeHttpTransport, raw: SocketTransport, options: AdaptiveTransportOptions) {
    this.#core = core;
    this.#raw = raw;
    this.#options = options;
  }

  async bring(job: HttpJob, observer: RangeObserver, signal: AbortSignal): Promise<void> {
    const { origin } = new URL(job.location.url);
    // Other kinds of ranges are for hosts that have refused the usual ones.
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

  /** Both share what is known about addresses, and idle connections of `core` close by themselves. */
  elsewhere(): void {
    this.#raw.elsewhere();
  }

  /** The first request to an unusual host by `core`: the others wait until its response is known. */
  async #askFirst(origin: string, job: HttpJob, observer: RangeObserver, signal: AbortSignal): Promise<void> {
    let answered = () => {};
    const answer = new Promise<void>((resolve) => {
      const cancel = this.#options.clock.after(MAX_WAIT_MS, resolve);
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
