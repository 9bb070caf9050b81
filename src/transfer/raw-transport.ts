import { secureContextOf } from '../http/agents.ts';
import { type Contact, HostPolicy } from '../http/host-policy.ts';
import type { NetworkSettings } from '../http/network.ts';
import { networkError, stalledError } from '../http/network-error.ts';
import { formatRange } from '../http/range.ts';
import { StallWatch } from '../http/request.ts';
import { redactUrl } from '../http/url.ts';
import type { FetchError } from '../model/error.ts';
import type { Clock } from '../system/clock.ts';
import { diskError } from '../system/disk-error.ts';
import { Allowance, type RateLimiter } from './rate-limiter.ts';
import { RawConnection, type RawListener } from './raw-connection.ts';
import { keepsAlive, type RawHead, RawHeadParser, rangeProblem } from './raw-response.ts';
import { refusedBytes } from './refused.ts';
import type { RangeJob, RangeObserver, Transport } from './transport.ts';
import { writeFully } from './write-fully.ts';

/** Bytes per read: one system call and one write for each, instead of sixteen of each. */
const READ_BYTES = 1024 * 1024;
/** Idle connections beyond this are closed; servers close them after some seconds anyway. */
const MAX_IDLE = 64;

/** Thrown for an answer that only the other transport can take. Nothing of it was written. */
export class OddAnswer extends Error {
  /** Whether the host should be left to the other transport from now on. */
  readonly lasting: boolean;

  constructor(why: string, options: { readonly lasting: boolean }) {
    super(why);
    this.lasting = options.lasting;
  }
}

export interface RawTransportOptions {
  readonly userAgent: string;
  readonly stallTimeoutMs: number;
  readonly clock: Clock;
  readonly limiter: RateLimiter | undefined;
  /** Told of every request and its answer, for `--verbose`. */
  readonly trace: (message: string) => void;
  readonly network?: NetworkSettings | undefined;
  readonly onContact?: (contact: Contact) => void;
}

/**
 * The fast transport: its own HTTP/1.1 on plain sockets with large reads and synchronous writes. Takes
 * only a 206 with exactly the Content-Range and Content-Length that were asked for, and rejects with
 * OddAnswer for every other answer that is no refusal.
 */
export class RawTransport implements Transport {
  readonly #options: RawTransportOptions;
  readonly #idle = new Map<string, RawConnection[]>();
  readonly #sessions = new Map<string, Buffer>();
  readonly #policy: HostPolicy;

  constructor(options: RawTransportOptions) {
    this.#options = options;
    this.#policy = new HostPolicy(options.network, options.onContact);
  }

  async bring(job: RangeJob, observer: RangeObserver, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { window, location } = job;
    // No header can ask for no bytes: such a request would be answered with the whole file.
    if (window.position >= window.end) return;
    const url = new URL(location.url);
    if (url.username !== '' || url.password !== '')
      throw new OddAnswer('an address with a password', { lasting: true });
    this.#policy.admit(url);
    const { clock, limiter } = this.#options;
    const allowance = new Allowance(limiter, window.end - window.position);
    try {
      const delay = allowance.begin();
      if (delay > 0) await clock.sleep(delay, signal);
      if (window.position < window.end) await this.#exchange(url, job, observer, signal, allowance);
    } finally {
      allowance.end();
    }
  }

  #exchange(
    url: URL,
    job: RangeJob,
    observer: RangeObserver,
    signal: AbortSignal,
    allowance: Allowance,
  ): Promise<void> {
    const rangeText = formatRange({ start: job.window.position, end: job.window.end });
    const request = this.#requestText(url, job, rangeText);
    if (request === undefined)
      return Promise.reject(new OddAnswer('a header that is no text', { lasting: true }));
    return new Promise((resolve, reject) => {
      const { clock, stallTimeoutMs, trace } = this.#options;
      const started = clock.monotonic();
      const traced = (answer: string) =>
        trace(`GET ${redactUrl(url)} ${rangeText}: ${answer}, ${Math.round(clock.monotonic() - started)} ms`);
      const watch = new StallWatch(clock, stallTimeoutMs, () =>
        connection.destroy(stalledError(url, stallTimeoutMs)),
      );
      const connection = this.#connect(url, () => watch.touch());
      const reused = connection.served > 0;
      const onAbort = () => connection.destroy();
      let goOn = () => {};
      const end = (outcome: () => void) => {
        watch.stop();
        goOn();
        signal.removeEventListener('abort', onAbort);
        outcome();
      };
      signal.addEventListener('abort', onAbort, { once: true });
      const exchange = new Exchange(job, observer, clock, url, {
        received: (bytes) => {
          const delay = allowance.received(bytes);
          watch.touch(delay);
          if (delay === 0) return;
          connection.pause();
          const cancel = clock.after(delay, () => connection.resume());
          goOn = () => {
            cancel();
            connection.resume();
          };
        },
        answered: (status) => traced(String(status)),
        done: (reusable) => {
          if (reusable) this.#keep(url.origin, connection);
          else drop(connection);
          end(resolve);
        },
        failed: (error, reusable) => {
          if (reusable) this.#keep(url.origin, connection);
          else drop(connection);
          end(() => reject(error));
        },
        broken: (error) => {
          if (exchange.silent) traced('failed');
          const cause = error ?? new Error('the connection was closed');
          // Before the first byte of an answer, the end of a kept connection is nobody's fault.
          const idleEnd = reused && exchange.silent && error === undefined;
          const named = idleEnd ? Object.assign(cause, { code: 'ECONNRESET' }) : cause;
          end(() =>
            reject(signal.aborted ? signal.reason : networkError(named, url, reused && exchange.silent)),
          );
        },
      });
      connection.use(exchange, request);
    });
  }

  /** Closes idle connections. */
  close(): void {
    for (const connections of this.#idle.values()) for (const connection of connections) connection.destroy();
    this.#idle.clear();
  }

  #connect(url: URL, onProgress: () => void): RawConnection {
    const idle = this.#idle.get(url.origin) ?? [];
    for (let connection = idle.pop(); connection !== undefined; connection = idle.pop()) {
      if (connection.usable) return connection;
    }
    return RawConnection.open(url, {
      readBytes: this.#options.limiter?.stepBytes ?? READ_BYTES,
      session: this.#sessions.get(url.origin),
      onSession: (session) => this.#sessions.set(url.origin, session),
      onProgress,
      secureContext: secureContextOf(this.#options.network),
    });
  }

  #keep(origin: string, connection: RawConnection): void {
    connection.release();
    const idle = this.#idle.get(origin) ?? [];
    this.#idle.set(origin, idle);
    if (idle.length < MAX_IDLE && connection.usable) idle.push(connection);
    else connection.destroy();
  }

  /** Undefined if one of the values must not stand in a header. */
  #requestText(url: URL, { location }: RangeJob, range: string): string | undefined {
    const lines = [
      `GET ${url.pathname}${url.search} HTTP/1.1`,
      `Host: ${url.host}`,
      `User-Agent: ${this.#options.userAgent}`,
      'Accept: */*',
      'Accept-Encoding: identity',
      `Range: ${range}`,
      'Connection: keep-alive',
    ];
    if (location.authorization?.origin === url.origin)
      lines.push(`Authorization: ${location.authorization.value}`);
    return lines.every((line) => /^[\x20-\x7e]+$/.test(line)) ? `${lines.join('\r\n')}\r\n\r\n` : undefined;
  }
}

/** Whether so many bytes are the whole body. Only asked of answers that have one. */
function isWhole({ status, headers }: RawHead, bodyBytes: number): boolean {
  if (status < 300 || status === 304 || headers.has('transfer-encoding')) return false;
  return headers.get('content-length') === String(bodyBytes);
}

function drop(connection: RawConnection): void {
  connection.release();
  connection.destroy();
}

interface ExchangeEnd {
  /** So many bytes have come, head included. */
  readonly received: (bytes: number) => void;
  readonly answered: (status: number) => void;
  readonly done: (reusable: boolean) => void;
  readonly failed: (error: unknown, reusable: boolean) => void;
  readonly broken: (error: Error | undefined) => void;
}

/** One request and its answer on a connection. */
class Exchange implements RawListener {
  readonly #job: RangeJob;
  readonly #observer: RangeObserver;
  readonly #clock: Clock;
  readonly #url: URL;
  readonly #end: ExchangeEnd;
  readonly #parser = new RawHeadParser();
  readonly #asked: { readonly start: number; readonly end: number };
  #head: RawHead | undefined;
  /** Offset in the file of the next byte of the body. */
  #offset: number;
  #over = false;
  /** The answer is of no use, and no byte of it is on its way any more. */
  #spent = false;
  /** No byte of an answer has come. */
  silent = true;

  constructor(job: RangeJob, observer: RangeObserver, clock: Clock, url: URL, end: ExchangeEnd) {
    this.#job = job;
    this.#observer = observer;
    this.#clock = clock;
    this.#url = url;
    this.#end = end;
    this.#asked = { start: job.window.position, end: job.window.end };
    this.#offset = job.window.position;
  }

  data(chunk: Buffer): void {
    if (this.#over) return;
    this.silent = false;
    this.#end.received(chunk.length);
    try {
      const body = this.#head === undefined ? this.#readHead(chunk) : chunk;
      if (body !== undefined && body.length > 0) this.#write(body);
    } catch (error) {
      this.#over = true;
      this.#end.failed(error, this.#spent);
    }
  }

  closed(error: Error | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#end.broken(error);
  }

  /** The first bytes of the body, once the head is complete and accepted. */
  #readHead(chunk: Buffer): Buffer | undefined {
    const progress = this.#parser.push(chunk);
    if (progress.kind === 'more') return undefined;
    if (progress.kind === 'odd') throw new OddAnswer(progress.why, { lasting: true });
    const { head, bodyStart } = progress;
    const { status } = head;
    this.#end.answered(status);
    this.#spent = isWhole(head, chunk.length - bodyStart) && keepsAlive(head);
    if (status >= 400) throw this.#refused(head);
    if (status >= 300) throw new OddAnswer('a redirect', { lasting: false });
    const { start, end } = this.#asked;
    const problem = status === 206 ? rangeProblem(head, start, end, this.#job.fileSize) : `status ${status}`;
    if (problem !== undefined) throw new OddAnswer(problem, { lasting: true });
    this.#head = head;
    this.#spent = false;
    return chunk.subarray(bodyStart);
  }

  #refused({ status, headers }: RawHead): FetchError {
    return refusedBytes(
      this.#url.host,
      this.#job.path,
      status,
      Object.fromEntries(headers),
      this.#clock.now(),
    );
  }

  #write(body: Buffer): void {
    const { window, descriptor, path } = this.#job;
    const start = this.#offset;
    const to = Math.min(start + body.length, window.end, this.#asked.end);
    try {
      if (to > start) writeFully(descriptor, body.subarray(0, to - start), start);
    } catch (error) {
      throw diskError(error, path);
    }
    this.#offset += body.length;
    if (to > start) {
      window.position = to;
      this.#observer.wrote({ start, end: to });
    }
    if (window.position < Math.min(window.end, this.#asked.end)) return;
    this.#over = true;
    // Exactly the body, no more and no less, leaves a connection that can be used again.
    this.#end.done(this.#offset === this.#asked.end && keepsAlive(this.#head!));
  }
}
