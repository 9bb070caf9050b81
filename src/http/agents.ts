import { type ClientRequestArgs, Agent as HttpAgent } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Connecting, Connector } from './connector.ts';

/** Idle connections are closed after this time: servers that limit connections count those of all threads. */
const IDLE_MS = 2000;
/** `lifo`: the newest idle connection is the least likely to have been closed by the server. */
const KEPT = { keepAlive: true, maxFreeSockets: 64, scheduling: 'lifo', timeout: IDLE_MS } as const;

/** Callbacks of a request for its connection. They pass through the agent as an option of the request. */
export interface SocketRequirements extends Connecting {
  readonly url: URL;
}

type OnCreate = (error: Error | null, socket: Duplex) => void;

/** An agent of Node whose connections are made by the connector. */
export class KeepingAgent extends HttpAgent {
  readonly #connector: Connector;
  #closing = new AbortController();

  constructor(protocol: 'http:' | 'https:', connector: Connector) {
    super(KEPT);
    // Node compares `protocol` with the scheme of the request.
    Object.assign(this, { protocol, defaultPort: protocol === 'https:' ? 443 : 80 });
    this.#connector = connector;
  }

  // Node passes the options of the request. The socket comes later, so it goes to the callback and nothing is returned.
  override createConnection(options: ClientRequestArgs, onCreate: OnCreate): undefined {
    const { requirements } = options as { readonly requirements?: SocketRequirements };
    if (requirements === undefined) throw new Error('a request without its connecting');
    const signal = AbortSignal.any([requirements.signal, this.#closing.signal]);
    this.#connector.connect(requirements.url, { ...requirements, signal }).then(
      (socket) => onCreate(null, socket),
      (error: Error) => onCreate(error, undefined as unknown as Socket),
    );
  }

  /** Closes all connections: idle, in use, and still connecting. */
  override destroy(): void {
    this.#closing.abort(new Error('the client was closed'));
    this.#closing = new AbortController();
    super.destroy();
  }
}
