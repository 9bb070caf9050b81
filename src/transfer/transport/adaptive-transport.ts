import type { HttpLocation } from '../../source/location.ts';
import type { Clock } from '../../system/clock.ts';
import { unlessAborted } from '../../system/on-abort.ts';
import type { NodeHttpTransport } from './node-http-transport.ts';
import { UnsupportedResponse } from './socket/socket-exchange.ts';
import type { SocketTransport } from './socket/socket-transport.ts';
import type { HttpJob, RangeObserver, RangeWindow, Transport } from './transport.ts';

/** While the first answer of a host is on its way, the others wait for it so long at the most. */
const PATIENCE_MS = 1000;
/**
 * The answer that decides brings no more than this. Beside strict connections, which read a mebibyte at a
 * time, a longer one would be the last to end, and the hash waits for it if it is the first of its file.
 */
const FIRST_BYTES = 256 * 1024;

export interface AdaptiveTransportOptions {
  /** Use the strict transport from the first request on, for tests and measurements. */
  readonly trustAll: boolean;
  readonly clock: Clock;
  readonly trace: (message: string) => void;
}

/**
 * Lets the strict transport serve hosts that have given one clean answer to the other, until the first
 * that surprises it. What it cannot take is asked for again by the transport that copes with everything.
 */
export class AdaptiveTransport implements Transport<HttpLocation> {
  readonly #core: NodeHttpTransport;
  readonly #raw: SocketTransport;
  readonly #options: AdaptiveTransportOptions;
  readonly #clean = new Set<string>();
  readonly #odd = new Set<string>();
  /** Hosts whose first answer is on its way, and what to call when it is there. */
  readonly #awaited = new Map<string, Promise<void>>();

  constructor(core: NodeHttpTransport, raw: SocketTransport, options: AdaptiveTransportOptions) {
    this.#core = core;
    this.#raw = raw;
    this.#options = options;
  }

  async bring(job: HttpJob, observer: RangeObserver, signal: AbortSignal): Promise<void> {
    const { origin } = new URL(job.location.url);
    // An address for one range cannot be tried out with a part of it.
    if (job.location.ranges !== 'any') return await this.#core.bring(job, observer, signal);
    if (!this.#knows(origin)) {
      const first = this.#awaited.get(origin);
      if (first === undefined) return await this.#ask(origin, job, observer, signal);
      await unlessAborted(first, signal);
    }
    if (this.#odd.has(origin) || !this.#knows(origin)) return await this.#core.bring(job, observer, signal);
    try {
      return await this.#raw.bring(job, observer, signal);
    } catch (error) {
      if (!(error instanceof UnsupportedResponse)) throw error;
      if (error.lasting) {
        this.#odd.add(origin);
        this.#options.trace(`${origin} is left to the core transport: ${error.message}`);
      }
      return await this.#core.bring(job, observer, signal);
    }
  }

  /** They share what is known of addresses, and idle connections of the core transport close by themselves. */
  elsewhere(): void {
    this.#raw.elsewhere();
  }

  /** Nothing else is to be learned about this host. */
  #knows(origin: string): boolean {
    return this.#options.trustAll || this.#clean.has(origin) || this.#odd.has(origin);
  }

  /** The first request to a host: its answer decides who serves the others. */
  async #ask(origin: string, job: HttpJob, observer: RangeObserver, signal: AbortSignal): Promise<void> {
    let answered = () => {};
    const answer = new Promise<void>((resolve) => {
      const cancel = this.#options.clock.after(PATIENCE_MS, resolve);
      answered = () => {
        cancel();
        resolve();
      };
    });
    this.#awaited.set(origin, answer);
    const window = new ProbeWindow(job.window);
    let { location } = job;
    const watched: RangeObserver = {
      wrote: (range, wireBytes) => observer.wrote(range, wireBytes),
      wholeFile: () => {
        window.all = true;
        return observer.wholeFile();
      },
      movedTo: (url) => {
        location = { ...location, url };
        observer.movedTo(url);
      },
    };
    try {
      await this.#core.bring({ ...job, window }, watched, signal, (servedBy, clean) => {
        // A host that is not understood at once would make all others wait for each of its answers.
        (clean ? this.#clean : this.#odd).add(servedBy);
        if (servedBy !== origin) this.#odd.add(origin);
        answered();
      });
    } finally {
      answered();
      this.#awaited.delete(origin);
    }
    const { position, end } = job.window;
    if (window.filled && position < end) await this.bring({ ...job, location }, observer, signal);
  }
}

/** The first bytes of a window, as long as ranges are honoured. */
class ProbeWindow implements RangeWindow {
  readonly #window: RangeWindow;
  readonly #limit: number;
  /** Everything comes in one answer: nothing is to be left of it. */
  all = false;

  constructor(window: RangeWindow) {
    this.#window = window;
    this.#limit = window.position + FIRST_BYTES;
  }

  get position(): number {
    return this.#window.position;
  }

  set position(position: number) {
    this.#window.position = position;
  }

  get filled(): boolean {
    return this.position >= this.end;
  }

  get end(): number {
    return this.all ? this.#window.end : Math.min(this.#window.end, this.#limit);
  }
}
