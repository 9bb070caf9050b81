import { serve } from './helper.ts';
import { type Link, startThrottle, type Throttle } from './throttle.ts';

const throttles = new Map<string, Throttle>();

function named(name: string): Throttle {
  const throttle = throttles.get(name);
  if (throttle === undefined) throw new Error(`no link ${name}`);
  return throttle;
}

const methods = {
  /** Lays a link to a port of this machine; its own port is the answer. */
  async open({ name, port, link }: { name: string; port: number; link: Link }): Promise<number> {
    const throttle = await startThrottle({ port }, link);
    throttles.set(name, throttle);
    return throttle.port;
  },

  reset(name: string): void {
    named(name).reset();
  },

  count(name: string): { bytes: number; connections: number } {
    const { bytesToClients: bytes, connections } = named(name);
    return { bytes, connections };
  },

  async reached({ name, bytes }: { name: string; bytes: number }): Promise<void> {
    await named(name).reached(bytes);
  },
};

export type LinkMethods = typeof methods;

serve(methods);
