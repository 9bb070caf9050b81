import { decoded, discard, readStart } from '../../http/body.ts';
import type { HttpClient, HttpResponse } from '../../http/client.ts';
import { authorizeOrigin, followRedirects, isRedirect } from '../../http/follow-redirects.ts';
import { emptyAnswer, networkError } from '../../http/network-error.ts';
import { formatRange, rangeAnswer } from '../../http/range.ts';
import { REFUSAL_BYTES, storageError } from '../../http/refusal.ts';
import type { ByteRange } from '../../model/byte-range.ts';
import { FetchError } from '../../model/error.ts';
import type { HttpLocation } from '../../source/location.ts';
import type { Clock } from '../../system/clock.ts';
import { diskError } from '../../system/disk/disk-error.ts';
import { writeFully } from '../../system/disk/write-fully.ts';
import { type RateLimiter, RateReservation } from './rate-limiter.ts';
import { askedRange, type HttpJob, type RangeObserver, type Transport } from './transport.ts';

const HINT_CACHE = 'A cache on the way may be broken: try again later, or over another network or endpoint.';

/** The transport that handles everything that HTTP allows: node:http(s), one buffer of the parser at a time. */
export class NodeHttpTransport implements Transport<HttpLocation> {
  readonly #http: HttpClient;
  readonly #clock: Clock;
  readonly #limiter: RateLimiter | undefined;

  constructor(http: HttpClient, clock: Clock, limiter?: RateLimiter) {
    this.#http = http;
    this.#clock = clock;
    this.#limiter = limiter;
  }

  /** `onHead` is called when it is known which bytes the response brings. */
  async bring(
    job: HttpJob,
    observer: RangeObserver,
    signal: AbortSignal,
    onHead: () => void = () => {},
  ): Promise<void> {
    signal.throwIfAborted();
    // A Range header cannot request zero bytes: the server would send the whole file.
    if (job.window.position >= job.window.end) return;
    const reservation = new RateReservation(this.#limiter, job.window.end - job.window.position);
    try {
      const delay = reservation.begin();
      if (delay > 0) await this.#clock.sleep(delay, signal);
      if (job.window.position < job.window.end)
        await this.#exchange(job, observer, signal, onHead, reservation);
    } finally {
      reservation.end();
    }
  }

  elsewhere(): void {
    this.#http.dialer.elsewhere();
  }

  async #exchange(
    job: HttpJob,
    observer: RangeObserver,
    signal: AbortSignal,
    onHead: () => void,
    reservation: RateReservation,
  ): Promise<void> {
    const asked = askedRange(job);
    const { response, address } = await this.#request(job.location, asked, signal);
    const { status } = response;
    if (status !== 200 && status !== 206) throw await this.#refused(response, job, signal);
    const from = extentOf(response, job, asked);
    if (address !== job.location.url) observer.movedTo(address);
    const whole = from.start === 0 && from.end === job.fileSize;
    if (status === 200 && whole) {
      await observer.wholeFile();
      reservation.expect(job.fileSize);
    }
    // Call it only now: connections that wait for this answer must not ask for ranges that are on their way.
    onHead();
    try {
      await receive(response, job, from, observer, signal, (stream, bytes) => {
        const delay = reservation.received(bytes);
        if (delay === 0) return;
        response.quietFor(delay);
        stream.pause();
        this.#clock.after(delay, () => stream.resume());
      });
    } catch (error) {
      if (status === 206 && job.window.position === asked.start && !signal.aborted)
        this.#http.avoid(response);
      throw error;
    }
  }

  /**
   * One request, with redirects. A redirect that answers a Range request may be bound to that range, so the same
   * address is requested once more without one: the target of that redirect serves all ranges.
   */
  async #request(
    location: HttpLocation,
    asked: ByteRange,
    signal: AbortSignal,
  ): Promise<{ response: HttpResponse; address: string }> {
    const range = location.ranges === 'none' ? {} : { range: formatRange(asked) };
    const { origin, host } = new URL(location.url);
    const result = await followRedirects(location.url, {
      send: async (hop) => {
        const response = await this.#http.get({ ...hop, headers: { ...hop.headers, ...range } });
        if (location.ranges !== 'any' || !isRedirect(response)) return response;
        discard(response);
        return await this.#http.get(hop);
      },
      authorize: authorizeOrigin(location.authorization),
      follows: (_response, next) => location.ownOriginOnly !== true || new URL(next).origin === origin,
      retryable: true,
      signal,
    });
    if (result.kind === 'answer') return result;
    throw new FetchError('NETWORK', `${host} redirects to another host, which is not followed`, {
      hint: 'A peer has to send the bytes itself. To use a mirror with its redirects, name it with --endpoint.',
    });
  }

  async #refused(response: HttpResponse, job: HttpJob, signal: AbortSignal): Promise<FetchError> {
    const { status, url, headers } = response;
    const body = await readStart(response, REFUSAL_BYTES, signal);
    return storageError({ host: url.host, status, headers, body }, job.path, this.#clock.now());
  }
}

/** Which bytes of the file a response brings: exactly the requested range, or the whole file. */
function extentOf(response: HttpResponse, job: HttpJob, asked: ByteRange): ByteRange {
  const { status, headers, url } = response;
  const answer = rangeAnswer(status, headers, asked, job.fileSize);
  if (answer.kind === 'range') return answer.range;
  if (answer.kind === 'whole') return checkWhole(response, job);
  response.body.destroy();
  const wanted = `${asked.start}-${asked.end - 1}/${job.fileSize}`;
  if (answer.kind === 'other') {
    throw new FetchError(
      'NETWORK',
      `${url.host} answered another range of ${job.path} than was asked for (asked ${wanted}, got ${answer.said})`,
      { retryable: true, hint: HINT_CACHE },
    );
  }
  throw new FetchError(
    'NETWORK',
    `${url.host} does not say which part of ${job.path} it sends (asked ${wanted}, no Content-Range)`,
    { status, refusal: 'no-ranges', retryable: true, hint: HINT_CACHE },
  );
}

/**
 * Checks a response with the whole file instead of a range: its Content-Length, where it is meaningful, must match.
 */
function checkWhole(response: HttpResponse, job: HttpJob): ByteRange {
  const plain = (response.headers['content-encoding'] ?? 'identity') === 'identity';
  const length = response.headers['content-length'];
  if (plain && length !== undefined && Number(length) !== job.fileSize) {
    response.body.destroy();
    throw new FetchError(
      'NETWORK',
      `${response.url.host} sends ${length} bytes for ${job.path}, which has ${job.fileSize}`,
      {
        retryable: true,
        hint: 'A proxy or a login page may stand in the way: try another network, or see where the address leads in a browser.',
      },
    );
  }
  return { start: 0, end: job.fileSize };
}

/** Writes the part of the body that the window needs, in order, each chunk before the next is read. */
async function receive(
  response: HttpResponse,
  job: HttpJob,
  extent: ByteRange,
  observer: RangeObserver,
  signal: AbortSignal,
  /** Called with every chunk; pauses the stream until the rate limit allows the next bytes. */
  throttle: (stream: NodeJS.ReadableStream, bytes: number) => void,
): Promise<void> {
  const { window, descriptor } = job;
  const stream = decoded(response);
  let offset = extent.start;
  await new Promise<void>((resolve, reject) => {
    let settled = false;
    const settle = (error?: unknown) => {
      if (settled) return;
      settled = true;
      if (error === undefined) resolve();
      else reject(error);
    };
    const give = (chunk: Buffer) => {
      const limit = Math.min(window.end, extent.end);
      const from = Math.max(offset, window.position);
      const to = Math.min(offset + chunk.length, limit);
      if (from < to) {
        writeFully(descriptor, chunk.subarray(from - offset, to - offset), from);
        window.position = to;
        observer.wrote({ start: from, end: to });
      }
      offset += chunk.length;
    };
    stream.on('data', (chunk: Buffer) => {
      if (settled) {
        // The server sends more than it announced: do not reuse the connection.
        response.body.destroy();
        return;
      }
      try {
        give(chunk);
      } catch (error) {
        response.body.destroy();
        settle(diskError(error, job.path));
        return;
      }
      throttle(stream, chunk.length);
      if (window.position < Math.min(window.end, extent.end)) return;
      // Filled. If nothing more is to come, the response ends by itself and the connection can be reused.
      if (offset < extent.end) response.body.destroy();
      stream.resume();
      settle();
    });
    const nothingCame = () => offset === extent.start && response.status === 206;
    const early = () =>
      nothingCame() ? emptyAnswer(response.url, response.address) : endedEarly(response, job);
    const broken = (error: Error) => {
      const { url, way } = response;
      const named =
        nothingCame() && !(error instanceof FetchError) ? early() : networkError(error, url, false, way);
      settle(signal.aborted ? signal.reason : named);
    };
    stream.on('error', broken);
    stream.on('end', () => broken(early()));
    response.body.on('error', broken);
    response.body.on('close', () => {
      // A proper end was handled before this, unless the decoder is still busy with the rest.
      if (stream !== response.body && response.body.complete) return;
      broken(early());
    });
    // The body may have failed before the listeners were added: no event would follow.
    if (response.body.destroyed) broken(early());
    else stream.resume();
  });
}

function endedEarly(response: HttpResponse, job: HttpJob): FetchError {
  return new FetchError('NETWORK', `${response.url.host} broke off in the middle of ${job.path}`, {
    retryable: true,
    hint: 'What was fetched is kept: run the same command again.',
  });
}
