import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type SecureContext } from 'node:tls';
import type { Address } from '../http/address-book.ts';
import type { Dialer } from '../http/dialer.ts';

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
  /** Undefined until it is connected. */
  #socket: Socket | undefined;
  readonly #dialling = new AbortController();
  #listener: RawListener | undefined;
  #request: string | undefined;
  #error: Error | undefined;
  #closed = false;
  /** Of the host; undefined until it is connected. */
  address: string | undefined;
  /** Requests that were answered on it so far. */
  served = 0;

  /** Begins to connect; certificates are checked as usual. */
  static open(url: URL, dialer: Dialer, options: RawConnectionOptions): RawConnection {
    const connection = new RawConnection();
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80));
    const { onProgress } = options;
    const { signal } = connection.#dialling;
    const open = (address: Address) => connection.#begin(url, host, port, address, options);
    dialer.dial({ host, port }, { signal, onProgress, open }).then(
      (socket) => {
        onProgress();
        connection.address = dialer.addressOf(socket);
        connection.#adopt(socket);
      },
      (error: Error) => connection.#ended(connection.#error ?? (signal.aborted ? undefined : error)),
    );
    return connection;
  }

  #begin(
    { protocol }: URL,
    host: string,
    port: number,
    { address, family }: Address,
    { readBytes, session, onSession, onProgress, secureContext }: RawConnectionOptions,
  ): Socket {
    if (shared === undefined || shared.length < readBytes) shared = Buffer.allocUnsafeSlow(readBytes);
    const onread = {
      buffer: shared,
      callback: (count: number, buffer: Uint8Array): boolean => {
        this.#read(buffer as Buffer, count);
        return true;
      },
    };
    const place = { host: address, port, family, onread };
    if (protocol !== 'https:') return connectTcp(place);
    return connectTls({
      ...place,
      // An address is no server name (RFC 6066 3).
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ALPNProtocols: ['http/1.1'],
      ...(session === undefined ? {} : { session }),
      ...(secureContext === undefined ? {} : { secureContext }),
    } as ConnectionOptions)
      .on('session', onSession)
      .once('secureConnect', onProgress);
  }

  #adopt(socket: Socket): void {
    socket.setNoDelay(true);
    socket.on('error', (error) => {
      this.#error ??= error;
    });
    // The server will send no more: nothing of ours is left to say either.
    socket.on('end', () => socket.destroy());
    socket.on('close', () => this.#ended(this.#error));
    this.#socket = socket;
    // It was given up in the moment in which it connected.
    if (this.#dialling.signal.aborted) socket.destroy();
    else if (this.#request !== undefined) socket.write(this.#request, 'latin1');
    this.#request = undefined;
  }

  #ended(error: Error | undefined): void {
    this.#closed = true;
    const listener = this.#listener;
    this.#listener = undefined;
    listener?.closed(error);
  }

  get usable(): boolean {
    return !this.#closed && this.#socket?.destroyed === false;
  }

  /** Takes the connection for one request; `release` gives it back. */
  use(listener: RawListener, request: string): void {
    this.#listener = listener;
    if (this.#socket === undefined) {
      this.#request = request;
      return;
    }
    this.#socket.ref();
    this.#socket.write(request, 'latin1');
  }

  /** Nobody uses it now: what comes unasked ends it, and it keeps no process alive. */
  release(): void {
    this.#listener = undefined;
    this.served += 1;
    this.#socket?.unref();
  }

  pause(): void {
    this.#socket?.pause();
  }

  resume(): void {
    this.#socket?.resume();
  }

  /** Ends at once; the listener is told. */
  destroy(error?: Error): void {
    this.#error ??= error;
    if (this.#socket === undefined) this.#dialling.abort(error);
    else this.#socket.destroy();
  }

  #read(buffer: Buffer, count: number): void {
    if (this.#listener === undefined) this.#socket?.destroy();
    else this.#listener.data(buffer.subarray(0, count));
  }
}
