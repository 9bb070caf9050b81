import { readSync } from 'node:fs';
import { loadChunkKernel } from '../../../hash/chunk-kernel.ts';
import { loadXetHashes } from '../../../hash/xet-hash.ts';
import { readPieces, readStart } from '../../../http/body.ts';
import type { HttpClient, HttpResponse } from '../../../http/client.ts';
import { followRedirects } from '../../../http/follow-redirects.ts';
import { networkError } from '../../../http/network-error.ts';
import { formatRange, parseContentRange } from '../../../http/range.ts';
import { REFUSAL_BYTES, storageError } from '../../../http/refusal.ts';
import { rangeLength } from '../../../model/byte-range.ts';
import { MAX_CHUNK_BYTES } from '../../../model/chunks.ts';
import { FetchError } from '../../../model/error.ts';
import type { HeldFetch, XetLocation, XorbFetch } from '../../../source/location.ts';
import type { Clock } from '../../../system/clock.ts';
import { type RateLimiter, RateReservation } from '../rate-limiter.ts';
import { UnsupportedResponse } from '../socket/socket-exchange.ts';
import type { SocketTransport } from '../socket/socket-transport.ts';
import type { RangeJob, RangeObserver, Transport } from '../transport.ts';
import { ChunkDecoder, MalformedChunk } from './chunk-decoder.ts';
import { ChunkWriter } from './chunk-writer.ts';
import { type Placement, placements } from './placement.ts';

const HINT =
  'Run the same command again: what was fetched is kept. With --protocol http the file comes without the content store.';
/** Idle decoders that are kept: each has a quarter of a megabyte. */
const MAX_IDLE_DECODERS = 16;

export interface XetTransportOptions {
  readonly limiter?: RateLimiter | undefined;
  readonly raw?: SocketTransport | undefined;
}

/**
 * Brings ranges of files as chunks from Xet's content store. Each fetch is asked for exactly as it is signed, one after
 * the other; of what comes, no more than one chunk is in memory. Rejects with NETWORK, `status` 403 where an address is
 * refused: then the range is to be reconstructed anew.
 */
export class XetTransport implements Transport<XetLocation> {
  readonly #http: HttpClient;
  readonly #clock: Clock;
  readonly #limiter: RateLimiter | undefined;
  readonly #raw: SocketTransport | undefined;
  /** Origins whose answers only `#http` can read. */
  readonly #odd = new Set<string>();
  readonly #decoders: ChunkDecoder[] = [];

  /** With `raw` it reads from plain sockets where the answers are usual: that takes half of the processor's time. */
  constructor(http: HttpClient, clock: Clock, { limiter, raw }: XetTransportOptions = {}) {
    this.#http = http;
    this.#clock = clock;
    this.#limiter = limiter;
    this.#raw = raw;
  }

  async bring(job: RangeJob<XetLocation>, observer: RangeObserver, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const [hashes, kernel] = await Promise.all([loadXetHashes(), loadChunkKernel()]);
    signal.throwIfAborted();
    const writer = new ChunkWriter(job, observer, hashes);
    const decoder = this.#decoders.pop() ?? new ChunkDecoder(kernel);
    try {
      for (const placement of placements(job.location)) {
        if (writer.isDone) return;
        // Another connection has taken over what it is for.
        if (placement.firstByte >= job.window.end) continue;
        const held = heldOf(job.location, placement.fetch);
        if (held === undefined) await this.#fetch(placement, { job, writer, decoder }, signal);
        else putHeld(held, placement, { job, writer }, signal);
      }
    } catch (error) {
      throw error instanceof MalformedChunk ? malformed(job, error) : error;
    } finally {
      decoder.reset();
      if (this.#decoders.length < MAX_IDLE_DECODERS) this.#decoders.push(decoder);
    }
  }

  elsewhere(): void {
    this.#http.dialer.elsewhere();
  }

  async #fetch(placement: Placement, work: FetchWork, signal: AbortSignal): Promise<void> {
    const intake = new FetchIntake(placement, work);
    if (await this.#fetchRaw(intake, signal)) return;
    const { fetch } = placement;
    const allowance = new RateReservation(this.#limiter, rangeLength(fetch.bytes));
    try {
      const delay = allowance.begin();
      if (delay > 0) await this.#clock.sleep(delay, signal);
      const response = await this.#request(fetch, work.job.path, signal);
      await this.#receive(response, intake, allowance, signal);
    } finally {
      allowance.end();
    }
  }

  /** False if nothing of the answer was taken, because it is none of the usual ones. */
  async #fetchRaw(intake: FetchIntake, signal: AbortSignal): Promise<boolean> {
    const { url, bytes } = intake.fetch;
    const { origin } = new URL(url);
    if (this.#raw === undefined || this.#odd.has(origin)) return false;
    try {
      await this.#raw.receive({ url, bytes, path: intake.path }, (piece) => intake.take(piece), signal);
    } catch (error) {
      if (!(error instanceof UnsupportedResponse)) throw error;
      if (error.lasting) this.#odd.add(origin);
      return false;
    }
    intake.finish();
    return true;
  }

  /** Addresses are signed: no other credential goes with them. */
  async #request({ url, bytes }: XorbFetch, path: string, signal: AbortSignal): Promise<HttpResponse> {
    const range = formatRange(bytes);
    const { response } = await followRedirects(url, {
      send: (hop) => this.#http.get({ ...hop, headers: { ...hop.headers, range } }),
      authorize: () => undefined,
      retryable: true,
      signal,
    });
    const { status, headers } = response;
    if (status !== 200 && status !== 206) {
      const host = response.url.host;
      const body = await readStart(response, REFUSAL_BYTES, signal);
      throw storageError({ host, status, headers, body }, path, this.#clock.now());
    }
    const found = parseContentRange([headers['content-range'] ?? []].flat()[0]);
    const isAsked =
      found === undefined
        ? headers['content-length'] === String(rangeLength(bytes)) &&
          headers['content-range'] === undefined &&
          !/^multipart\//i.test(headers['content-type'] ?? '')
        : found.range.start === bytes.start && found.range.end === bytes.end;
    if (isAsked) return response;
    response.body.destroy();
    const got = headers['content-range'] ?? `${headers['content-length'] ?? 'unknown'} bytes`;
    throw new FetchError(
      'NETWORK',
      `${response.url.host} answered another range of a xorb of ${path} (asked ${range}, got ${String(got).slice(0, 80)})`,
      { retryable: true, hint: HINT },
    );
  }

  async #receive(
    response: HttpResponse,
    intake: FetchIntake,
    allowance: RateReservation,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      const isAll = await readPieces(response, (piece) => {
        if (intake.take(piece) && intake.left > 0) return 'enough';
        const delay = allowance.received(piece.length);
        if (delay === 0) return undefined;
        response.quietFor(delay);
        return this.#clock.sleep(delay, signal);
      });
      if (!isAll) return;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof FetchError || error instanceof MalformedChunk) throw error;
      throw networkError(error as Error, response.url, false, response.way);
    }
    if (intake.left > 0) throw endedEarly(response, intake.path);
    intake.finish();
  }
}

/** What comes of one fetch, as it comes: from bytes to chunks to the file. */
class FetchIntake {
  readonly #placement: Placement;
  readonly #work: FetchWork;
  /** Of the next chunk. */
  #index: number;
  /** Bytes that are still to come. */
  left: number;

  constructor(placement: Placement, work: FetchWork) {
    this.#placement = placement;
    this.#work = work;
    this.#index = placement.fetch.start;
    this.left = rangeLength(placement.fetch.bytes);
    work.decoder.reset();
  }

  get fetch(): XorbFetch {
    return this.#placement.fetch;
  }

  get path(): string {
    return this.#work.job.path;
  }

  /** Whether nothing more is wanted: read to its end, a connection can be used again. Throws MalformedChunk, or what a write throws. */
  take(piece: Buffer): boolean {
    const { writer, decoder } = this.#work;
    writer.received(piece.length);
    this.left -= piece.length;
    if (this.left < 0) throw new MalformedChunk('more bytes than were asked for');
    decoder.push(piece, this.#put);
    return writer.isDone;
  }

  /** Throws MalformedChunk unless all of the fetch came, or all that was wanted of it. */
  finish(): void {
    if (this.left > 0 && this.#work.writer.isDone) return;
    if (this.#work.decoder.atBoundary && this.#index === this.fetch.end) return;
    throw new MalformedChunk('fewer chunks than were announced');
  }

  readonly #put = (chunk: Buffer): void => {
    if (this.#index >= this.fetch.end) throw new MalformedChunk('more chunks than were announced');
    this.#work.writer.put(chunk, this.#index, this.#placement);
    this.#index += 1;
  };
}

function heldOf({ held = [] }: XetLocation, { xorb, start, end }: XorbFetch): HeldFetch | undefined {
  return held.find((one) => one.xorb === xorb && one.start === start && one.lengths.length === end - start);
}

/** Takes chunks from where else they stand in the file. They are hashed again: the disk may have changed them. */
function putHeld(
  { start, offsets, lengths }: HeldFetch,
  placement: Placement,
  { job, writer }: Omit<FetchWork, 'decoder'>,
  signal: AbortSignal,
): void {
  const buffer = Buffer.allocUnsafe(MAX_CHUNK_BYTES);
  for (const [number, length] of lengths.entries()) {
    if (writer.isDone) return;
    signal.throwIfAborted();
    const chunk = buffer.subarray(0, length);
    const read = readSync(job.descriptor, chunk, 0, length, offsets[number]!);
    if (read < length) throw new MalformedChunk('a part that ends before its chunks');
    writer.put(chunk, start + number, placement);
  }
}

interface FetchWork {
  readonly job: RangeJob<XetLocation>;
  readonly writer: ChunkWriter;
  readonly decoder: ChunkDecoder;
}

function malformed({ path }: RangeJob<XetLocation>, { message }: MalformedChunk): FetchError {
  return new FetchError('NETWORK', `the content store sends malformed chunks of ${path}: ${message}`, {
    retryable: true,
    hint: HINT,
  });
}

function endedEarly({ url }: HttpResponse, path: string): FetchError {
  return new FetchError('NETWORK', `${url.host} broke off in the middle of ${path}`, {
    retryable: true,
    hint: HINT,
  });
}
