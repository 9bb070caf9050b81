import type { Socket } from 'node:net';
import type { Connector } from '../../../http/connector.ts';
import type { Phase } from '../../../http/network-error.ts';

/**
 * All connections of a thread read into one buffer: what was read is written to disk before the next read
 * anywhere in the thread, and a buffer that stays in the processor's cache is a fast one.
 */
let shared: Buffer | undefined;

/** Callbacks of a connection. */
export interface SocketListener {
  /** The bytes are only there during the call. */
  data(chunk: Buffer): void;
  /** The connection has ended, for this reason if there was one. Told once. */
  closed(error: Error | undefined): void;
}

export interface SocketConnectionOptions {
  /** The most that is read at once. */
  readonly readBytes: number;
  /** Told of every phase on the way to a connection. */
  readonly onPhase: (phase: Phase) => void;
}

/** A socket with a large read buffer, for one request at a time. */
export class SocketConnection {
  /** Undefined until it is connected. */
  #socket: Socket | undefined;
  readonly #connecting = new AbortController();
  #listener: SocketListener | undefined;
  #request: string | undefined;
  #error: Error | undefined;
  #closed = false;
  readonly #onPhase: (phase: Phase) => void;
  /** Of the host; undefined until it is connected, and where a proxy connects. */
  address: string | undefined;
  /** Requests that were answered on it so far. */
  served = 0;

  private constructor(onPhase: (phase: Phase) => void) {
    this.#onPhase = onPhase;
  }

  /** Begins to connect; certificates are checked as usual. */
  static open(
    url: URL,
    connector: Connector,
    { readBytes, onPhase }: SocketConnectionOptions,
  ): SocketConnection {
    if (shared === undefined || shared.length < readBytes) shared = Buffer.allocUnsafeSlow(readBytes);
    const connection = new SocketConnection(onPhase);
    const onread = {
      buffer: shared,
      callback: (count: number, buffer: Uint8Array): boolean => {
        connection.#read((buffer as Buffer).subarray(0, count));
        return true;
      },
    };
    const onAddress = (address: string | undefined) => {
      connection.address = address;
    };
    connector.connect(url, { signal: connection.#connecting.signal, onPhase, onAddress, onread }).then(
      (socket) => connection.#adopt(socket),
      (error: Error) => connection.#ended(connection.#error ?? error),
    );
    return connection;
  }

  #adopt(socket: Socket): void {
    this.#socket = socket;
    socket.on('error', (error) => {
      this.#error ??= error;
    });
    // The server has ended its side: close ours.
    socket.on('end', () => socket.destroy());
    socket.on('close', () => this.#ended(this.#error));
    // Only what a tunnel of a proxy brings comes this way.
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    // It was given up in the moment in which it connected.
    if (this.#connecting.signal.aborted) socket.destroy();
    else if (this.#request !== undefined) this.#send(socket, this.#request);
    this.#request = undefined;
    if (socket.destroyed) this.#ended(this.#error);
  }

  #send(socket: Socket, request: string): void {
    this.#onPhase('head');
    socket.write(request, 'latin1');
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
  use(listener: SocketListener, request: string): void {
    this.#listener = listener;
    if (this.#socket === undefined) {
      this.#request = request;
      return;
    }
    this.#socket.ref();
    this.#socket.write(request, 'latin1');
  }

  /** Idle: unexpected data closes it, and it does not keep the process alive. */
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

  /** Closes at once, in any phase; the listener is called. */
  destroy(error?: Error): void {
    this.#error ??= error;
    if (this.#socket === undefined) this.#connecting.abort(error);
    else this.#socket.destroy();
  }

  #read(bytes: Buffer): void {
    if (this.#listener === undefined) this.#socket?.destroy();
    else this.#listener.data(bytes);
  }
}
