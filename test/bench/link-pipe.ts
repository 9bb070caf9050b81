/** What a pipe needs of the connection that it writes to, and of the one that it reads from. */
export interface Sink {
  readonly destroyed: boolean;
  write(data: Buffer): boolean;
  once(event: 'drain', listener: () => void): unknown;
  end(): unknown;
}

export interface Source {
  resume(): unknown;
}

/** Milliseconds, as everywhere. */
export interface LinkTime {
  now(): number;
  /** The returned function cancels. */
  after(delayMs: number, callback: () => void): () => void;
}

export const systemTime: LinkTime = {
  now: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

export interface PipeOptions {
  readonly sink: Sink;
  readonly time?: LinkTime;
  readonly bytesPerSecond: number | undefined;
  readonly delayMs: number;
  readonly windowBytes: number | undefined;
  /** How much longer than that the piece that is taken now is under way: a server that thinks before it answers. */
  readonly waitMs?: () => number;
  /** What all connections of the link share. */
  readonly shared?: SharedRate | undefined;
  /** Nothing arrives earlier than this plus the delay. */
  readonly opensAt?: number;
  readonly onBytes?: (count: number) => void;
}

/** A rate that several pipes share, in the order in which they send. */
export interface SharedRate {
  readonly bytesPerSecond: number;
  freeAt: number;
}

interface Piece {
  readonly data: Buffer;
  readonly due: number;
}

/** A link that ran idle for less than this had a late timer and makes up for it; longer, and it begins anew. */
const SLACK_MS = 20;
/** Of data, between two wake-ups of a slowed link. */
const TICK_MS = 12;
const SMALLEST = 4 << 10;
const LARGEST = 256 << 10;
/** First flight of a connection in Linux: ten segments. */
const FIRST_WINDOW = 14_600;
const DEFAULT_WINDOW = 4 << 20;

/** When so many bytes are sent, behind those of the other pipes. */
function takeShare(shared: SharedRate, bytes: number, now: number): number {
  const start = shared.freeAt > now - SLACK_MS ? shared.freeAt : now;
  shared.freeAt = start + (bytes / shared.bytesPerSecond) * 1000;
  return shared.freeAt;
}

/**
 * One direction of one connection. Bytes leave at the rate of the link, travel for the delay, and are
 * acknowledged after another delay; no more than a window is on its way. Each piece arrives when its last byte
 * would: the rate holds from the first byte on.
 */
export class LinkPipe {
  readonly readSize: number;
  source: Source | undefined;
  readonly #options: PipeOptions;
  readonly #window: number;
  #current: number;
  /** Read and not sent yet, for want of window. */
  #backlog: Buffer | undefined;
  readonly #flight: Piece[] = [];
  readonly #unacknowledged: { readonly size: number; readonly due: number }[] = [];
  #unacknowledgedBytes = 0;
  #linkFreeAt = 0;
  #waitMs = 0;
  readonly #time: LinkTime;
  #cancel: () => void = () => {};
  #finished = false;
  #blocked = false;
  #stopped = false;

  constructor(options: PipeOptions) {
    this.#options = options;
    this.#time = options.time ?? systemTime;
    const { bytesPerSecond, delayMs, windowBytes } = options;
    const perTick = Math.round(((bytesPerSecond ?? Number.POSITIVE_INFINITY) * TICK_MS) / 1000);
    this.readSize = Math.min(Math.max(perTick, SMALLEST), LARGEST);
    this.#window = windowBytes ?? (delayMs > 0 ? DEFAULT_WINDOW : this.readSize);
    this.#current = windowBytes === undefined ? this.#window : Math.min(FIRST_WINDOW, this.#window);
  }

  /** Whether the source is to be held back. */
  get full(): boolean {
    return this.#backlog !== undefined || this.#unacknowledgedBytes >= this.#current;
  }

  take(data: Buffer): void {
    this.#waitMs = this.#options.waitMs?.() ?? 0;
    this.#backlog = this.#backlog === undefined ? data : Buffer.concat([this.#backlog, data]);
    this.#send();
    this.#advance();
  }

  /** Nothing more will be taken; the sink is ended when everything has arrived. */
  finish(): void {
    this.#finished = true;
    this.#advance();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  #send(): void {
    const now = this.#time.now();
    const { bytesPerSecond, delayMs, shared, opensAt = 0 } = this.#options;
    const longest = delayMs + this.#waitMs;
    while (this.#backlog !== undefined) {
      const room = this.#current - this.#unacknowledgedBytes;
      if (room <= 0) return;
      const data = this.#backlog.subarray(0, room);
      this.#backlog = data.length === this.#backlog.length ? undefined : this.#backlog.subarray(room);
      const start = this.#linkFreeAt > now - SLACK_MS ? this.#linkFreeAt : now;
      const own = bytesPerSecond === undefined ? now : start + (data.length / bytesPerSecond) * 1000;
      const sent = shared === undefined ? own : Math.max(own, takeShare(shared, data.length, now));
      this.#linkFreeAt = sent;
      this.#flight.push({ data, due: Math.max(sent, opensAt) + longest });
      this.#unacknowledgedBytes += data.length;
    }
  }

  /** Does everything whose time has come, and comes back for the next thing. */
  #advance(): void {
    if (this.#stopped) return;
    this.#cancel();
    const now = this.#time.now();
    // Half a millisecond early is nearer than a whole one late.
    const horizon = now + 0.5;
    while (!this.#blocked && this.#flight.length > 0 && this.#flight[0]!.due <= horizon) {
      this.#deliver(this.#flight.shift()!, now);
    }
    while (this.#unacknowledged.length > 0 && this.#unacknowledged[0]!.due <= horizon) {
      const { size } = this.#unacknowledged.shift()!;
      this.#unacknowledgedBytes -= size;
      this.#current = Math.min(this.#window, this.#current + size);
    }
    this.#send();
    if (!this.full) this.source?.resume();
    if (this.#finished && this.#backlog === undefined && this.#flight.length === 0 && !this.#blocked) {
      this.#options.sink.end();
      this.stop();
      return;
    }
    const next = Math.min(
      this.#blocked ? Number.POSITIVE_INFINITY : (this.#flight[0]?.due ?? Number.POSITIVE_INFINITY),
      this.#unacknowledged[0]?.due ?? Number.POSITIVE_INFINITY,
    );
    if (next === Number.POSITIVE_INFINITY) return;
    this.#cancel = this.#time.after(Math.max(next - now, 0), () => this.#advance());
  }

  #deliver({ data }: Piece, now: number): void {
    const { sink, delayMs, onBytes } = this.#options;
    onBytes?.(data.length);
    this.#unacknowledged.push({ size: data.length, due: now + delayMs });
    if (sink.destroyed || sink.write(data)) return;
    this.#blocked = true;
    sink.once('drain', () => {
      this.#blocked = false;
      this.#advance();
    });
  }
}
