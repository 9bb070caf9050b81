import { loadChunkKernel } from '../../../hash/chunk-kernel.ts';
import { loadXetHashes } from '../../../hash/xet-hash.ts';
import { readPieces, readStart } from '../../../http/body.ts';
import type { HttpClient, HttpResponse } from '../../../http/client.ts';
import { followRedirects } from '../../../http/follow-redirects.ts';
import { networkError } from '../../../http/network-error.ts';
import { formatRange, parseContentRange } from '../../../http/range.ts';
import { REFUSAL_BYTES, storageError } from '../../../http/refusal.ts';
import { rangeLength } from '../../../model/byte-range.ts';
import { FetchError } from '../../../model/error.ts';
import type { XetLocation, XorbFetch } from '../../../source/location.ts';
import type { Clock } from '../../../system/clock.ts';
import { type RateLimiter, RateReservation } from '../rate-limiter.ts';
import type { RangeJob, RangeObserver, Transport } from '../transport.ts';
import { ChunkDecoder, MalformedChunk } from './chunk-decoder.ts';
import { ChunkWriter } from './chunk-writer.ts';
import { type Placement, placements } from './placement.ts';

const HINT =
  'Run the same command again: what was fetched is kept. With --protocol http the file comes without the content store.';
/** Idle decoders that are kept: each has a quarter of a megabyte. */
const MAX_IDLE_DECODERS = 16;

/**
 * Brings ranges of files as chunks from Xet's content store. Each fetch is asked for exactly as it is signed, one after
 * the other; of what comes, no more than one chunk is in memory. Rejects with NETWORK, `status` 403 where an address is
 * refused: then the range is to be reconstructed anew.
 */
export class XetTransport implements Transport<XetLocation> {
  readonly #http: HttpClient;
  readonly #clock: Clock;
  readonly #limiter: RateLimiter | undefined;
  readonly #decoders: ChunkDecoder[] = [];

  constructor(http: HttpClient, clock: Clock, limiter?: RateLimiter) {
    this.#http = http;
    this.#clock = clock;
    this.#limiter = limiter;
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
        await this.#fetch(placement, { job, writer, decoder }, signal);
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
    const { fetch } = placement;
    const allowance = new RateReservation(this.#limiter, rangeLength(fetch.bytes));
    try {
      const delay = allowance.begin();
      if (delay > 0) await this.#clock.sleep(delay, signal);
      const response = await this.#request(fetch, work.job.path, signal);
      await this.#receive(response, placement, work, allowance, signal);
    } finally {
      allowance.end();
    }
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
    placement: Placement,
    { job, writer, decoder }: FetchWork,
    allowance: RateReservation,
    signal: AbortSignal,
  ): Promise<void> {
    const { start, end, bytes } = placement.fetch;
    let index = start;
    let left = rangeLength(bytes);
    decoder.reset();
    const put = (chunk: Buffer) => {
      if (index >= end) throw new MalformedChunk('more chunks than were announced');
      writer.put(chunk, index, placement);
      index += 1;
    };
    try {
      const isAll = await readPieces(response, (piece) => {
        writer.received(piece.length);
        left -= piece.length;
        if (left < 0) throw new MalformedChunk('more bytes than were asked for');
        decoder.push(piece, put);
        // Read to its end, a connection can be used again.
        if (writer.isDone && left > 0) return 'enough';
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
    if (left > 0) throw endedEarly(response, job.path);
    if (!decoder.atBoundary || index < end) throw new MalformedChunk('fewer chunks than were announced');
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
