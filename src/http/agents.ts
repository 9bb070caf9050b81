import { type ClientRequestArgs, Agent as HttpAgent } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Connecting, Connector } from './connector.ts';

/** An idle connection is closed after so long: a server that counts connections may want it for another thread. */
const IDLE_MS = 2000;
/** The newest idle connection is the least likely to have been closed by the other side. */
const KEPT = { keepAlive: true, maxFreeSockets: 64, scheduling: 'lifo', timeout: IDLE_MS } as const;

/** How a request hears of its connection. It travels through the agent among the options of the request. */
export interface Wanted extends Connecting {
  readonly url: URL;
}

type OnCreate = (error: Error | null, socket: Duplex) => void;

/** Keeps connections as Node's own agents do, and lets the connector make them. */
export class KeepingAgent extends HttpAgent {
  readonly #connector: Connector;
  #closing = new AbortController();

  constructor(protocol: 'http:' | 'https:', connector: Connector) {
    super(KEPT);
    // Node compares it with the scheme of the request.
    Object.assign(this, { protocol, defaultPort: protocol === 'https:' ? 443 : 80 });
    this.#connector = connector;
  }

  // Node hands over what the request was made with. A promise is no socket: the callback gets it.
  override createConnection(options: ClientRequestArgs, onCreate: OnCreate): undefined {
    const { wanted } = options as { readonly wanted?: Wanted };
    if (wanted === undefined) throw new Error('a request without its connecting');
    const signal = AbortSignal.any([wanted.signal, this.#closing.signal]);
    this.#connector.connect(wanted.url, { ...wanted, signal }).then(
      (socket) => onCreate(null, socket),
      (error: Error) => onCreate(error, undefined as unknown as Socket),
    );
  }

  /** Ends idle connections and those in use, and what is still connecting. */
  override destroy(): void {
    this.#closing.abort(new Error('the client was closed'));
    this.#closing = new AbortController();
    super.destroy();
  }
}
