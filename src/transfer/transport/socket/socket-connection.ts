import type { Socket } from 'node:net';
import type { Connector } from '../../../http/connector.ts';
import type { Phase } from '../../../http/network-error.ts';

/**
 * All connections of a thread read into one buffer: its bytes are written to disk before the thread reads again, and
 * a buffer that stays in the processor's cache is fast.
 */
let shared: Buffer | undefined;

/** Callbacks of a connection. */
export interface SocketListener {
  /** The bytes are only valid during the call. */
  data(chunk: Buffer): void;
  /** The connection has ended, with the error if there was one. Called once. */
  closed(error: Error | undefined): void;
}

export interface SocketConnectionOptions {
  /** Maximum of bytes per read. */
  readonly readBytes: number;
  /** Called with every phase of connecting. */
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
  /** Address of the host; undefined until connected, and behind a proxy. */
  address: string | undefined;
  /** Requests answered on it so far. */
  served = 0;

  private constructor(onPhase: (phase: Phase) => void) {
    this.#onPhase = onPhase;
  }

  /** Starts to connect; certificates are checked as usual. */
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
    // The server has closed its side: close ours.
    socket.on('end', () => socket.destroy());
    socket.on('close', () => this.#ended(this.#error));
    // `onread` does not apply to a proxy tunnel: its bytes arrive as events.
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    // It was aborted at the moment it connected.
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

  /** Idle: unexpected data closes the connection, and it does not keep the process alive. */
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
