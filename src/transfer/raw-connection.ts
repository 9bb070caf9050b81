import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type SecureContext } from 'node:tls';

/**
 * All connections of a thread read into one buffer: what was read is written to disk before the next read
 * anywhere in the thread, and a buffer that stays in the processor's cache is a fast one.
 */
let shared: Buffer | undefined;

/** What the user of a connection is told. */
export interface RawListener {
  /** The bytes are only there during the call. */
  data(chunk: Buffer): void;
  /** The connection has ended, for this reason if there was one. Told once. */
  closed(error: Error | undefined): void;
}

export interface RawConnectionOptions {
  /** The most that is read at once. */
  readonly readBytes: number;
  /** Resumes an earlier TLS session. */
  readonly session: Buffer | undefined;
  /** Given TLS sessions to resume later. */
  readonly onSession: (session: Buffer) => void;
  /** Told of every step on the way to a connection. */
  readonly onProgress: () => void;
  /** Authorities that count, where there are more than Node's own. */
  readonly secureContext?: SecureContext | undefined;
}

/** A socket with a large read buffer, for one request at a time. */
export class RawConnection {
  readonly #socket: Socket;
  #listener: RawListener | undefined;
  #error: Error | undefined;
  #closed = false;
  /** Requests that were answered on it so far. */
  served = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('error', (error) => {
      this.#error = error;
    });
    // The server will send no more: nothing of ours is left to say either.
    socket.on('end', () => socket.destroy());
    socket.on('close', () => {
      this.#closed = true;
      const listener = this.#listener;
      this.#listener = undefined;
      listener?.closed(this.#error);
    });
  }

  /** Begins to connect; certificates are checked as usual. */
  static open(url: URL, options: RawConnectionOptions): RawConnection {
    const { session, onSession, onProgress, secureContext } = options;
    if (shared === undefined || shared.length < options.readBytes)
      shared = Buffer.allocUnsafeSlow(options.readBytes);
    const host = url.hostname.replace(/^\[|\]$/g, '');
    let connection: RawConnection;
    const onread = {
      buffer: shared,
      callback: (count: number, buffer: Uint8Array): boolean => {
        connection.#read(buffer as Buffer, count);
        return true;
      },
    };
    const socket =
      url.protocol === 'https:'
        ? connectTls({
            host,
            port: Number(url.port || 443),
            // An address is no server name (RFC 6066 3).
            ...(isIP(host) === 0 ? { servername: host } : {}),
            ALPNProtocols: ['http/1.1'],
            ...(session === undefined ? {} : { session }),
            ...(secureContext === undefined ? {} : { secureContext }),
            onread,
          } as ConnectionOptions)
            .on('session', onSession)
            .once('secureConnect', onProgress)
        : connectTcp({ host, port: Number(url.port || 80), onread });
    socket.once('lookup', onProgress).once('connect', onProgress);
    connection = new RawConnection(socket);
    return connection;
  }

  get usable(): boolean {
    return !this.#closed && !this.#socket.destroyed;
  }

  /** Takes the connection for one request; `release` gives it back. */
  use(listener: RawListener, request: string): void {
    this.#listener = listener;
    this.#socket.ref();
    this.#socket.write(request, 'latin1');
  }

  /** Nobody uses it now: what comes unasked ends it, and it keeps no process alive. */
  release(): void {
    this.#listener = undefined;
    this.served += 1;
    this.#socket.unref();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Ends at once; the listener is told. */
  destroy(error?: Error): void {
    this.#error ??= error;
    this.#socket.destroy();
  }

  #read(buffer: Buffer, count: number): void {
    if (this.#listener === undefined) this.#socket.destroy();
    else this.#listener.data(buffer.subarray(0, count));
  }
}
