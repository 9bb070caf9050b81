import { type Starving, type StarvingServer, serveStarving } from '../support/starving-server.ts';
import { serve } from './helper.ts';
import { HISTORY_MS, type Link, startThrottle, type Throttle } from './throttle.ts';

interface Watched {
  readonly throttle: Throttle;
  history: number[];
  timer: NodeJS.Timeout | undefined;
}

const links = new Map<string, Watched>();
const starved: StarvingServer[] = [];

function named(name: string): Watched {
  const link = links.get(name);
  if (link === undefined) throw new Error(`no link ${name}`);
  return link;
}

const methods = {
  /** Lays a link to a port of this machine; its own port is the answer. */
  async open({ name, port, link }: { name: string; port: number; link: Link }): Promise<number> {
    const throttle = await startThrottle({ port }, link);
    links.set(name, { throttle, history: [], timer: undefined });
    return throttle.port;
  },

  /** A host in front of a port of this machine that starves its clients when they are too many; its port is the answer. */
  async starve({ port, starving }: { port: number; starving: Starving }): Promise<number> {
    const server = await serveStarving(() => `http://127.0.0.1:${port}`, starving);
    starved.push(server);
    return server.port;
  },

  reset(name: string): void {
    const link = named(name);
    link.throttle.reset();
    link.history = [];
    clearInterval(link.timer);
    link.timer = setInterval(() => link.history.push(link.throttle.bytesToClients), HISTORY_MS);
  },

  /** Since the last reset, whose history ends here. */
  count(name: string): { bytes: number; connections: number; history: readonly number[] } {
    const { throttle, history, timer } = named(name);
    clearInterval(timer);
    return { bytes: throttle.bytesToClients, connections: throttle.connections, history };
  },

  async reached({ name, bytes }: { name: string; bytes: number }): Promise<void> {
    await named(name).throttle.reached(bytes);
  },
};

export type LinkMethods = typeof methods;

serve(methods);
