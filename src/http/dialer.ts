import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Clock } from '../system/clock.ts';
import { lacksDescriptor } from '../system/descriptor-shortage.ts';
import { onAbort, unlessAborted } from '../system/on-abort.ts';
import { type Address, AddressBook, type Lookup } from './address-book.ts';

/** Connection attempt delay (RFC 8305 5): the time before the next address is tried in parallel. */
const HEAD_START_MS = 250;

export interface DialTarget {
  /** A name or an address, without brackets. */
  readonly host: string;
  readonly port: number;
}

export interface DialOptions {
  /** Ends all attempts; the dial rejects with its reason. */
  readonly signal: AbortSignal;
  /** Called when the look-up is done. */
  readonly onProgress?: () => void;
  /** Starts a connection to one address; plain TCP if left out. */
  readonly open?: (address: Address) => Socket;
}

export interface DialerOptions {
  readonly clock: Clock;
  readonly lookup?: Lookup | undefined;
  /** Replaces `connect` of node:net in tests. */
  readonly connect?: ((address: Address, port: number) => Socket) | undefined;
}

/**
 * Connects to hosts as curl and browsers do (RFC 8305): one address after the other, each with a head start, and a slow
 * attempt goes on while the next begins. The first that connects wins. (Node itself abandons each address after 250 ms,
 * which makes distant hosts unreachable.)
 */
export class Dialer {
  readonly #clock: Clock;
  readonly #book: AddressBook;
  readonly #connect: (address: Address, port: number) => Socket;
  /** Open connections. */
  readonly #made = new Set<Socket>();
  readonly #places = new WeakMap<Duplex, { readonly host: string; readonly address: string }>();

  constructor({ clock, lookup, connect: own }: DialerOptions) {
    this.#clock = clock;
    this.#book = new AddressBook(clock, lookup);
    this.#connect = own ?? (({ address, family }, port) => connect({ host: address, port, family }));
  }

  /**
   * A socket that is connected by TCP; a TLS handshake that `open` started goes on. Rejects with a system error of the
   * look-up, or of an attempt if all failed.
   */
  async dial({ host, port }: DialTarget, options: DialOptions): Promise<Socket> {
    const { signal, onProgress, open = (address: Address) => this.#connect(address, port) } = options;
    signal.throwIfAborted();
    const addresses = await unlessAborted(this.#book.of(host), signal);
    onProgress?.();
    return await this.#race(host, addresses, open, signal);
  }

  /** Records that an address of a host failed: new connections prefer another. */
  failed(host: string, address: string): void {
    this.#book.failed(host, address);
  }

  /** False for an address that failed while the host has another that did not. */
  favours(host: string, address: string): boolean {
    return this.#book.favours(host, address);
  }

  /** New connections to every host prefer addresses that no open connection uses. */
  elsewhere(): void {
    const used = new Map<string, { readonly host: string; readonly address: string }>();
    for (const socket of this.#made) {
      const place = this.#places.get(socket);
      if (place !== undefined) used.set(`${place.host} ${place.address}`, place);
    }
    for (const { host, address } of used.values()) this.#book.failed(host, address);
  }

  /** The address of a connection of this dialer, also after it was closed, when the socket no longer tells it. */
  addressOf(socket: Duplex): string | undefined {
    return this.#places.get(socket)?.address;
  }

  #race(
    host: string,
    addresses: readonly Address[],
    open: (address: Address) => Socket,
    signal: AbortSignal,
  ): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const won = (socket: Socket, address: string) => {
        this.#made.add(socket);
        this.#places.set(socket, { host, address });
        socket.once('close', () => this.#made.delete(socket));
        resolve(socket);
      };
      const race = new Race({
        host,
        addresses,
        open,
        signal,
        clock: this.#clock,
        book: this.#book,
        won,
        reject,
      });
      race.begin();
    });
  }
}

interface RaceParts {
  readonly host: string;
  readonly addresses: readonly Address[];
  readonly open: (address: Address) => Socket;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly book: AddressBook;
  readonly won: (socket: Socket, address: string) => void;
  readonly reject: (reason: unknown) => void;
}

/** The attempts to connect to the addresses of one host: the first that connects wins, the others are closed. */
class Race {
  readonly #parts: RaceParts;
  /** Attempts that are under way, in the order in which they began. */
  readonly #attempts = new Map<Socket, Address>();
  readonly #errors: NodeJS.ErrnoException[] = [];
  readonly #stopListening: () => void;
  #next = 0;
  #cancel = (): void => {};

  constructor(parts: RaceParts) {
    this.#parts = parts;
    this.#stopListening = onAbort(parts.signal, () => {
      this.#end();
      parts.reject(parts.signal.reason);
    });
  }

  begin(): void {
    if (this.#parts.addresses.length > 0) {
      this.#tryNext();
      return;
    }
    this.#end();
    this.#parts.reject(Object.assign(new Error('no address'), { code: 'ENOTFOUND' }));
  }

  #tryNext(): void {
    const { addresses, open, clock, reject } = this.#parts;
    this.#cancel();
    const address = addresses[this.#next];
    if (address === undefined) return;
    this.#next += 1;
    let socket: Socket;
    try {
      socket = open(address);
    } catch (error) {
      this.#end();
      reject(error);
      return;
    }
    this.#attempts.set(socket, address);
    // This listener stays: an error between two owners of the socket would otherwise end the process.
    socket.on('error', (error) => this.#failed(socket, error));
    socket.once('connect', () => this.#connected(socket));
    socket.once('close', () => this.#failed(socket, new Error('the connection was closed')));
    if (this.#next < addresses.length) this.#cancel = clock.after(HEAD_START_MS, () => this.#tryNext());
  }

  #failed(socket: Socket, error: NodeJS.ErrnoException): void {
    const { host, addresses, book, reject } = this.#parts;
    const address = this.#attempts.get(socket);
    if (address === undefined) return;
    this.#attempts.delete(socket);
    this.#errors.push(error);
    if (!isShortage(error)) book.failed(host, address.address);
    // Do not wait for the end of the head start.
    if (this.#next < addresses.length) this.#tryNext();
    else if (this.#attempts.size === 0) {
      this.#end();
      reject(telling(this.#errors));
    }
  }

  #connected(socket: Socket): void {
    const { host, book, won } = this.#parts;
    const address = this.#attempts.get(socket);
    if (address === undefined) return;
    for (const [other, late] of this.#attempts) {
      if (other === socket) break;
      book.failed(host, late.address);
      if (late.family !== address.family) book.prefers(host, address.family);
    }
    this.#end(socket);
    won(socket, address.address);
  }

  #end(winner?: Socket): void {
    this.#cancel();
    this.#stopListening();
    const open = [...this.#attempts.keys()];
    this.#attempts.clear();
    for (const socket of open) if (socket !== winner) socket.destroy();
  }
}

/** Whether this process has no descriptor left: then the address is not to blame. */
function isShortage(error: NodeJS.ErrnoException): boolean {
  return lacksDescriptor(error) || error.code === 'EAGAIN';
}

/** The most useful of several errors: one from a server rather than one from a family that this machine lacks. */
function telling(errors: readonly NodeJS.ErrnoException[]): NodeJS.ErrnoException {
  const noWay = new Set(['ENETUNREACH', 'EHOSTUNREACH', 'EADDRNOTAVAIL', 'EAFNOSUPPORT']);
  return errors.find(({ code }) => !noWay.has(code ?? '')) ?? errors.at(-1)!;
}
