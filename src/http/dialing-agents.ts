import { type AgentOptions, type ClientRequestArgs, Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent, type RequestOptions } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Dialer } from './dialer.ts';

/** How a request hears of its connection. It travels through the agent among the options of the request. */
export interface Dialling {
  /** The request has ended: nobody waits for the connection. */
  readonly signal: AbortSignal;
  readonly onProgress: () => void;
}

type OnCreate = (error: Error | null, socket: Duplex) => void;
type Create<Options> = (options: Options) => Duplex | null | undefined;

/** Keeps connections as usual and lets the dialer make them. */
export class DialingHttpAgent extends HttpAgent {
  readonly #dialer: Dialer;

  constructor(options: AgentOptions, dialer: Dialer) {
    super(options);
    this.#dialer = dialer;
  }

  override createConnection(options: ClientRequestArgs, onCreate: OnCreate): undefined {
    dialFor(this.#dialer, options, (wanted) => super.createConnection(wanted), onCreate);
  }
}

/** The same over TLS: sessions and names of servers are the business of Node's own agent. */
export class DialingHttpsAgent extends HttpsAgent {
  readonly #dialer: Dialer;

  constructor(options: AgentOptions, dialer: Dialer) {
    super(options);
    this.#dialer = dialer;
  }

  override createConnection(options: RequestOptions, onCreate: OnCreate): undefined {
    dialFor(this.#dialer, options, (wanted) => super.createConnection(wanted), onCreate);
  }
}

function dialFor<Options extends ClientRequestArgs>(
  dialer: Dialer,
  options: Options,
  create: Create<Options>,
  onCreate: OnCreate,
): void {
  const { dialling } = options as { readonly dialling?: Dialling };
  const host = (options.hostname ?? options.host ?? 'localhost').replace(/^\[|\]$/g, '');
  const signal = dialling?.signal ?? new AbortController().signal;
  dialer
    .dial(
      { host, port: Number(options.port) },
      {
        signal,
        onProgress: () => dialling?.onProgress(),
        // `servername` stays as it is: the certificate is compared with the name, not with the address.
        open: ({ address, family }) => create({ ...options, host: address, family }) as Socket,
      },
    )
    .then(
      (socket) => onCreate(null, socket),
      (error: Error) => onCreate(error, undefined as unknown as Duplex),
    );
}
