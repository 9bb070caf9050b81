import { type ResponseHead, ResponseHeadParser } from '../../../http/head-parser.ts';
import { proxyRefusal } from '../../../http/network-error.ts';
import type { ProxyAddress } from '../../../http/network-settings.ts';
import { REFUSAL_BYTES, storageError } from '../../../http/refusal.ts';
import type { FetchError } from '../../../model/error.ts';
import type { Clock } from '../../../system/clock.ts';
import { diskError } from '../../../system/disk/disk-error.ts';
import { writeFully } from '../../../system/disk/write-fully.ts';
import { askedRange, type HttpJob, type RangeObserver } from '../transport.ts';
import { keepsAlive, rangeProblem } from './response-head.ts';
import type { SocketListener } from './socket-connection.ts';
import type { WriteCoalescer, WriteTarget } from './write-coalescer.ts';

/** Thrown for a response that only the other transport can handle. Nothing of it was written. */
export class UnsupportedResponse extends Error {
  /** Whether the host is left to the other transport from now on. */
  readonly lasting: boolean;

  constructor(why: string, options: { readonly lasting: boolean }) {
    super(why);
    this.lasting = options.lasting;
  }
}

/** A job whose bytes may go elsewhere than to their offset in a file. */
export interface SocketJob extends HttpJob {
  /** Takes bytes in their order, valid during the call, and returns whether it needs no more. What it throws ends the exchange. */
  readonly take?: (bytes: Buffer) => boolean;
}

export interface SocketExchangeEnd {
  /** Bytes received, head included. */
  readonly received: (bytes: number) => void;
  readonly answered: (status: number) => void;
  readonly done: (reusable: boolean) => void;
  readonly failed: (error: unknown, reusable: boolean) => void;
  readonly broken: (error: Error | undefined) => void;
}

export interface SocketExchangeContext {
  readonly clock: Clock;
  readonly coalescer: WriteCoalescer;
  readonly url: URL;
  readonly proxy: ProxyAddress | undefined;
}

/** One request and its response on a connection. */
export class SocketExchange implements SocketListener, WriteTarget {
  readonly #job: SocketJob;
  readonly #observer: RangeObserver;
  readonly #clock: Clock;
  readonly #url: URL;
  readonly #proxy: ProxyAddress | undefined;
  readonly #end: SocketExchangeEnd;
  readonly #coalescer: WriteCoalescer;
  readonly #parser = new ResponseHeadParser();
  readonly #asked: { readonly start: number; readonly end: number };
  #head: ResponseHead | undefined;
  /** An error response whose body is still arriving, and how many bytes of it to read. */
  #refusal: { readonly head: ResponseHead; readonly bytes: number; text: Buffer } | undefined;
  /** Offset in the file of the next byte of the body. */
  #offset: number;
  /** Offset of the next byte to write. */
  #written: number;
  #over = false;
  /** The response cannot be used, and all of its bytes have been received. */
  #spent = false;
  /** No byte of a response was received. */
  silent = true;

  constructor(
    job: SocketJob,
    observer: RangeObserver,
    { clock, coalescer, url, proxy }: SocketExchangeContext,
    end: SocketExchangeEnd,
  ) {
    this.#job = job;
    this.#observer = observer;
    this.#clock = clock;
    this.#url = url;
    this.#proxy = proxy;
    this.#end = end;
    this.#coalescer = coalescer;
    this.#asked = askedRange(job);
    this.#offset = job.window.position;
    this.#written = job.window.position;
  }

  /** The head was received, but no byte of the body. */
  get empty(): boolean {
    return this.#head !== undefined && this.#offset === this.#asked.start;
  }

  data(chunk: Buffer): void {
    if (this.#over) return;
    this.silent = false;
    this.#end.received(chunk.length);
    try {
      const body = this.#head === undefined && this.#refusal === undefined ? this.#readHead(chunk) : chunk;
      if (this.#refusal !== undefined) this.#readRefusal(body ?? chunk);
      else if (body !== undefined && body.length > 0) this.#take(body);
    } catch (error) {
      this.#fail(error);
    }
  }

  closed(error: Error | undefined): void {
    if (!this.#over) this.#coalescer.flush(this);
    if (this.#over) return;
    if (this.#refusal !== undefined) {
      this.#fail(this.#refused());
      return;
    }
    this.#over = true;
    this.#end.broken(error);
  }

  /** The first bytes of the body, once the head is complete and accepted. */
  #readHead(chunk: Buffer): Buffer | undefined {
    const progress = this.#parser.push(chunk);
    if (progress.kind === 'more') return undefined;
    if (progress.kind === 'unsupported') throw new UnsupportedResponse(progress.why, { lasting: true });
    const { head, bodyStart } = progress;
    const { status } = head;
    this.#end.answered(status);
    this.#spent = isWhole(head, chunk.length - bodyStart) && keepsAlive(head);
    if (status === 407 && this.#proxy !== undefined) throw proxyRefusal(this.#url, status, this.#proxy);
    if (status >= 400) {
      // Leave a chunked body to the other transport: its text decides what to do next.
      if (head.headers.has('transfer-encoding'))
        throw new UnsupportedResponse('a refusal in chunks', { lasting: false });
      const length = Number(head.headers.get('content-length') ?? REFUSAL_BYTES);
      this.#refusal = { head, bytes: Math.min(length, REFUSAL_BYTES), text: Buffer.alloc(0) };
      return chunk.subarray(bodyStart);
    }
    if (status >= 300) throw new UnsupportedResponse('a redirect', { lasting: false });
    const { start, end } = this.#asked;
    // Some servers send a range with status 200: Content-Range decides.
    const isRange = status === 206 || (status === 200 && head.headers.has('content-range'));
    const { take, fileSize } = this.#job;
    const size = take === undefined ? fileSize : undefined;
    const problem = isRange ? rangeProblem(head, start, end, size) : `status ${status}`;
    if (problem !== undefined) throw new UnsupportedResponse(problem, { lasting: true });
    this.#head = head;
    this.#spent = false;
    return chunk.subarray(bodyStart);
  }

  /** Throws when enough of the body has been received. */
  #readRefusal(bytes: Buffer): void {
    const refusal = this.#refusal!;
    refusal.text = Buffer.concat([refusal.text, bytes.subarray(0, refusal.bytes - refusal.text.length)]);
    if (refusal.text.length >= refusal.bytes) throw this.#refused();
  }

  #refused(): FetchError {
    const { head, text } = this.#refusal!;
    const headers = Object.fromEntries(head.headers);
    const body = text.toString('utf8');
    const refused = { host: this.#url.host, status: head.status, headers, body };
    return storageError(refused, this.#job.path, this.#clock.now());
  }

  #take(body: Buffer): void {
    const { window } = this.#job;
    const to = Math.min(this.#offset + body.length, window.end, this.#asked.end);
    const wanted = Math.max(0, to - this.#offset);
    this.#offset += body.length;
    const whole = this.#offset >= Math.min(window.end, this.#asked.end);
    if (wanted > 0) this.#coalescer.add(this, body.subarray(0, wanted));
    if (whole) this.#coalescer.flush(this);
    if (this.#over || !whole) return;
    this.#over = true;
    // The connection is reusable only after exactly the body, no more and no less.
    this.#end.done(this.#offset === this.#asked.end && keepsAlive(this.#head!));
  }

  put(bytes: Buffer): void {
    if (this.#over) return;
    const { window, descriptor, path, take } = this.#job;
    const start = this.#written;
    // The end may have been lowered since they were received.
    const to = Math.min(start + bytes.length, window.end);
    this.#written += bytes.length;
    if (to <= start) return;
    if (take !== undefined) {
      this.#hand(bytes, take);
      return;
    }
    try {
      writeFully(descriptor, bytes.subarray(0, to - start), start);
    } catch (error) {
      this.#fail(diskError(error, path));
      return;
    }
    window.position = to;
    try {
      this.#observer.wrote({ start, end: to });
    } catch (error) {
      this.#fail(error);
    }
  }

  #hand(bytes: Buffer, take: (bytes: Buffer) => boolean): void {
    try {
      if (!take(bytes) || this.#offset >= this.#asked.end) return;
      this.#over = true;
      this.#end.done(false);
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#over = true;
    this.#end.failed(error, this.#spent);
  }
}

/** Whether this many bytes are the whole body. Only for responses that have one. */
function isWhole({ status, headers }: ResponseHead, bodyBytes: number): boolean {
  if (status < 300 || status === 304 || headers.has('transfer-encoding')) return false;
  return headers.get('content-length') === String(bodyBytes);
}
