import type { Socket } from 'node:net';
import type { HubSettings } from '../settings.ts';

type EdgeSettings = Pick<HubSettings, 'firstByteMs' | 'collapse'>;

/** What one address of the CDN keeps in mind: its open streams, and the connections it has answered on. */
export class Edge {
  #streams = 0;
  readonly #warm = new WeakSet<Socket>();

  /** How long the first byte takes on this connection. Every later answer on it is a warm one. */
  firstByteMs(socket: Socket, { firstByteMs }: EdgeSettings): number {
    const warm = this.#warm.has(socket);
    this.#warm.add(socket);
    return warm ? firstByteMs.warm : firstByteMs.cold;
  }

  /** Counts a stream as open while `body` runs. */
  async during(body: () => Promise<void>): Promise<void> {
    this.#streams += 1;
    try {
      await body();
    } finally {
      this.#streams -= 1;
    }
  }

  /** Bytes a second that each stream gets at this moment; undefined is as fast as it goes. */
  rate({ collapse }: EdgeSettings): number | undefined {
    return collapse !== undefined && this.#streams > collapse.above ? collapse.bytesPerSecond : undefined;
  }
}
