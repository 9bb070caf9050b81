import type { IncomingMessage, ServerResponse } from 'node:http';
import { Edge } from './edge.ts';
import { type Listener, listen } from './listener.ts';

interface Address {
  readonly listener: Listener;
  readonly edge: Edge;
}

/** The CDN's addresses: the same port on each of them. */
export class ContentNetwork {
  readonly port: number;
  readonly origin: string;
  readonly #edges: ReadonlyMap<string, Address>;

  private constructor(first: Listener, edges: ReadonlyMap<string, Address>) {
    this.port = first.port;
    this.origin = first.origin;
    this.#edges = edges;
  }

  static async open(
    answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
    addresses: readonly string[],
    connectionLimit: number | undefined,
  ): Promise<ContentNetwork> {
    const edges = new Map<string, Address>();
    let first: Listener | undefined;
    for (const address of addresses) {
      const listener: Listener = await listen(answer, { address, connectionLimit, port: first?.port });
      first ??= listener;
      edges.set(address, { listener, edge: new Edge() });
    }
    if (first === undefined) throw new Error('a CDN without an address');
    return new ContentNetwork(first, edges);
  }

  /** The one where a request came in. */
  edge(request: IncomingMessage): Edge {
    return this.#at(request).edge;
  }

  vanish(request: IncomingMessage, milliseconds: number): void {
    this.#at(request).listener.vanish(milliseconds);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#edges.values()].map(({ listener }) => listener.close()));
  }

  #at({ socket }: IncomingMessage): Address {
    const [first] = this.#edges.values();
    // A connection that has ended by now has no address any more.
    const found = this.#edges.get(socket.localAddress ?? '') ?? first;
    if (found === undefined) throw new Error('a CDN without an address');
    return found;
  }
}
