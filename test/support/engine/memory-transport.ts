import { storageError } from '../../../src/http/refusal.ts';
import type { ByteRange } from '../../../src/model/byte-range.ts';
import { FetchError } from '../../../src/model/error.ts';
import type { FileLocation } from '../../../src/source/location.ts';
import type { Clock, Random } from '../../../src/system/clock.ts';
import { onAbort } from '../../../src/system/on-abort.ts';
import {
  askedRange,
  type HttpJob,
  type RangeJob,
  type RangeObserver,
  type Transport,
} from '../../../src/transfer/transport/transport.ts';
import type { Addresses } from './addresses.ts';
import type { Bytes } from './content.ts';
import type { FaultScript, Trouble } from './fault.ts';
import type { Host } from './host.ts';
import type { MemoryDisk } from './memory-disk.ts';
import type { MemorySource } from './memory-source.ts';

const MIB = 1024 * 1024;
/** Files above this have a limit of connections of their own. */
const SMALL_FILE_BYTES = 8 * MIB;
/** A write waits no longer for more bytes. */
const MAX_WRITE_MS = 250;
/** A copy within this machine goes on by so much at a time. */
const COPY_BYTES = MIB;
const COPY_MS = 2;
/** Silence for so long is an error. */
export const STALL_MS: number = 10_000;

/** What a connection writes. */
interface Write extends ByteRange {
  readonly path: string;
}

export interface Network {
  readonly hosts: ReadonlyMap<string, Host>;
  readonly addresses: Addresses;
  readonly source: MemorySource;
  readonly script: FaultScript;
  readonly clock: Clock;
  readonly random: Random;
}

/** Connections to hosts in memory. They bring bytes in virtual time, until their script says otherwise. */
export class MemoryTransport implements Transport {
  readonly #network: Network;
  readonly #disk: MemoryDisk;
  readonly writes: Write[] = [];
  readonly requests: Write[] = [];
  /** What was asked for of other files on this machine. */
  readonly copies: Write[] = [];
  /** Connections that are open now, and the most that were open at once: in all, and for large files. */
  open = 0;
  mostOpen = 0;
  #openLarge = 0;
  mostOpenLarge = 0;
  /** How often connections were told to use other addresses of their hosts. */
  elsewheres = 0;
  /** Requests that went to the hub, which sent them on. */
  redirected = 0;
  /** Answers with the whole file. */
  wholeAnswers = 0;
  /** Writes after the connection was told to stop. */
  lateWrites = 0;

  constructor(network: Network, disk: MemoryDisk) {
    this.#network = network;
    this.#disk = disk;
  }

  elsewhere(): void {
    this.elsewheres += 1;
  }

  async bring(job: RangeJob, observer: RangeObserver, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { location } = job;
    if (location.kind === 'file') await this.#copy({ ...job, location }, observer, signal);
    else if (location.kind === 'http') await this.#request({ ...job, location }, observer, signal);
    else throw new Error(`no ${location.kind} locations here`);
  }

  /** From another file on this machine, block by block. */
  async #copy(job: RangeJob<FileLocation>, observer: RangeObserver, signal: AbortSignal): Promise<void> {
    const { window, location, path } = job;
    this.copies.push({ path, start: window.position, end: window.end });
    while (window.position < window.end) {
      await this.#network.clock.sleep(COPY_MS, signal);
      const other = this.#disk.others.get(location.path);
      const start = window.position;
      // `shift` of the other file is what `offset` should be: any other offset gives other bytes.
      const size = (other?.content.size ?? 0) - location.offset;
      const end = Math.min(window.end, start + COPY_BYTES, size);
      if (other === undefined || end <= start)
        throw new FetchError('NOT_FOUND', `${path}: not taken from ${location.path}: it ends at ${size}`);
      if (location.offset !== other.shift) this.#write(job, { start, end }, 'wrong offset');
      else for (const run of other.content.read({ start, end })) this.#write(job, run, run.bytes);
      window.position = end;
      observer.wrote({ start, end }, 0);
    }
  }

  async #request(job: HttpJob, observer: RangeObserver, signal: AbortSignal): Promise<void> {
    const { window, path, fileSize } = job;
    if (window.position >= window.end) return;
    const large = fileSize > SMALL_FILE_BYTES ? 1 : 0;
    this.open += 1;
    this.#openLarge += large;
    // Another may begin as soon as this one is told to stop.
    const stopListening = onAbort(signal, () => {
      this.#openLarge -= large;
    });
    this.mostOpen = Math.max(this.mostOpen, this.open);
    this.mostOpenLarge = Math.max(this.mostOpenLarge, this.#openLarge);
    this.requests.push({ path, start: window.position, end: window.end });
    try {
      await this.#follow(job, observer, signal);
    } finally {
      this.open -= 1;
      stopListening();
      if (!signal.aborted) this.#openLarge -= large;
    }
  }

  /** To the host where the bytes are, through the hub if the location names that. */
  async #follow(job: HttpJob, observer: RangeObserver, signal: AbortSignal): Promise<void> {
    const { source, hosts } = this.#network;
    const isHub = new URL(job.location.url).host === 'hub';
    if (isHub) this.redirected += 1;
    const url = isHub ? source.address(job.path) : job.location.url;
    const host = hosts.get(new URL(url).host);
    if (host === undefined) throw new Error(`a request to ${url}, which is none of ours`);
    host.connections += 1;
    try {
      await this.#exchange(job, url, host, observer, signal);
    } finally {
      host.connections -= 1;
    }
  }

  async #exchange(
    job: HttpJob,
    url: string,
    host: Host,
    observer: RangeObserver,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, script, addresses } = this.#network;
    const { traits } = host;
    const asked = askedRange(job);
    await clock.sleep(traits.firstByteMs, signal);
    const trouble = script.next(job.path);
    if (traits.dead || trouble?.kind === 'unreached') throw unreached(url);
    const address = addresses.find(url);
    if (address?.path !== job.path || trouble?.kind === 'expired')
      throw this.#refusal(job, url, 403, '<Code>AccessDenied</Code><Message>Request has expired</Message>');
    if (host.connections > traits.refusesAbove) throw this.#refusal(job, url, 503);
    if (trouble?.kind === 'status') throw this.#refusal(job, url, trouble.status, '', trouble.retryAfterMs);
    const plain = job.location.ranges === 'none';
    if (!plain) {
      const bound = address.range?.start === asked.start && address.range.end === asked.end;
      if (traits.ranges === 'exact' && !bound) throw this.#refusal(job, url, 403, 'Invalid range');
      if (traits.ranges === 'none') throw this.#refusal(job, url, 416);
      if (traits.ranges === 'unsaid' || trouble?.kind === 'unsaid range') throw unsaidRange(url);
    }
    if (trouble?.kind === 'other range') throw otherRange(url);
    if (url !== job.location.url) observer.movedTo(url);
    const whole = plain || trouble?.kind === 'whole file';
    if (whole) {
      this.wholeAnswers += 1;
      await observer.wholeFile();
    }
    const extent = whole ? { start: 0, end: job.fileSize } : asked;
    await this.#receive(job, extent, host, trouble, observer, signal);
  }

  /** Bytes of the answer come in their order; those outside the window are thrown away. */
  async #receive(
    job: HttpJob,
    extent: ByteRange,
    host: Host,
    trouble: Trouble | undefined,
    observer: RangeObserver,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, random } = this.#network;
    const { window } = job;
    const from = window.position;
    const endsAt = trouble !== undefined && 'at' in trouble ? extent.start + trouble.at : extent.end;
    let bytes: Bytes = 'right';
    for (let offset = extent.start; window.position < Math.min(window.end, extent.end); ) {
      if (offset >= endsAt && trouble !== undefined && bytes === 'right') {
        if (trouble.kind === 'truncate') return;
        if (trouble.kind !== 'corrupt') await this.#fail(job, from, trouble, observer, signal);
        bytes = 'wrong corrupt';
      }
      const { rate } = host;
      const most = Math.max(1, Math.floor(Math.min(MIB * (0.5 + random()), rate * MAX_WRITE_MS)));
      const end = Math.min(offset + most, extent.end, offset < endsAt ? endsAt : extent.end);
      await clock.sleep((end - offset) / rate, signal);
      const write = { start: Math.max(offset, window.position), end: Math.min(end, window.end) };
      offset = end;
      if (write.start >= write.end) continue;
      this.#write(job, write, bytes);
      window.position = write.end;
      observer.wrote(write);
    }
  }

  async #fail(
    job: HttpJob,
    from: number,
    trouble: Trouble,
    observer: RangeObserver,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, random } = this.#network;
    const host = new URL(job.location.url).host;
    if (trouble.kind === 'full disk')
      throw new FetchError('DISK', `${job.path}: no space is left on the disk`);
    if (trouble.kind === 'silence' || trouble.kind === 'late write') {
      const late = Math.min(job.fileSize, Math.max(job.window.position, from) + 2 * MIB);
      try {
        await clock.sleep(STALL_MS, signal);
      } catch (reason) {
        if (trouble.kind === 'late write') {
          await new Promise<void>((resolve) => void clock.after(20 + random() * 60, resolve));
          const write = { start: from, end: late };
          // What is closed by now cannot be written to any more.
          if (this.#disk.descriptors.has(job.descriptor)) {
            this.lateWrites += 1;
            this.#write(job, write, trouble.bytes === 'right' ? 'right' : 'wrong late');
            observer.wrote(write);
          }
        }
        throw reason;
      }
      throw new FetchError('NETWORK', `${host} sent no byte for ${STALL_MS} ms`, { retryable: true });
    }
    throw new FetchError('NETWORK', `${host} broke off in the middle of ${job.path}`, { retryable: true });
  }

  #write(job: RangeJob, range: ByteRange, bytes: Bytes): void {
    const part = this.#disk.descriptors.get(job.descriptor);
    if (part === undefined) throw new FetchError('BUG', `a write to ${job.path}, which is closed`);
    part.content.write(range, bytes);
    this.writes.push({ path: job.path, ...range });
  }

  #refusal(job: HttpJob, url: string, status: number, body = '', retryAfterMs?: number): FetchError {
    const headers = retryAfterMs === undefined ? {} : { 'retry-after': String(retryAfterMs / 1000) };
    const { host } = new URL(url);
    return storageError({ host, status, headers, body }, job.path, this.#network.clock.now());
  }
}

function unreached(url: string): FetchError {
  return new FetchError('NETWORK', `no server listens at ${new URL(url).host}`, {
    retryable: true,
    unreached: true,
  });
}

/** As core-transport.ts says it. */
function unsaidRange(url: string): FetchError {
  const message = `${new URL(url).host} does not say which part it sends`;
  return new FetchError('NETWORK', message, { status: 206, refusal: 'no-ranges', retryable: true });
}

function otherRange(url: string): FetchError {
  return new FetchError('NETWORK', `${new URL(url).host} answered another range`, { retryable: true });
}
