import { mkdir, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Starving } from '../support/starving-server.ts';
import { writeRandom } from './content.ts';
import { Helper } from './helper.ts';
import type { HubFacts, HubMethods } from './hub-process.ts';
import { type Job, urlOf } from './job.ts';
import type { LinkMethods } from './link-process.ts';
import { type Nginx, startNginx } from './nginx.ts';
import type { Link } from './throttle.ts';

/** Files of the repositories with weights: where their content is, below. */
const WEIGHTS = {
  one: ['one'],
  half: ['part-1'],
  quarter: ['quarter'],
  two: ['part-1', 'part-2'],
  four: ['part-1', 'part-2', 'part-3', 'part-4'],
  double: ['double'],
  five: ['five'],
  tiny: ['tiny'],
} as const;

type Weights = (typeof WEIGHTS)[keyof typeof WEIGHTS][number];

/** Repositories of the bench; `small` has a great number of small files. */
export type RepositoryName = keyof typeof WEIGHTS | 'small';

/** Bytes of a file of weights, by the size that was asked for: 1 GiB makes 5 GB of `five`. */
function sizeOf(weights: Weights, size: number): number {
  const parts = { one: 1, quarter: 1 / 4, double: 2, five: 5e9 / 2 ** 30 };
  if (weights === 'tiny') return 1 << 20;
  return Math.floor(size * (weights in parts ? parts[weights as keyof typeof parts] : 1 / 2));
}

/** Files of weights that these repositories need. */
function weightsOf(names: ReadonlySet<RepositoryName>): Weights[] {
  const weights = [...names].flatMap((name) => (name === 'small' ? [] : [...WEIGHTS[name]]));
  return [...new Set<Weights>(weights)];
}

/** Bytes of content of these repositories, and of the largest download of them. */
export function contentBytes(names: ReadonlySet<RepositoryName>, size: number): number {
  const sum = (weights: readonly Weights[]): number =>
    weights.reduce((bytes, one) => bytes + sizeOf(one, size), 0);
  return sum(weightsOf(names)) + Math.max(...[...names].map((name) => sum(weightsOf(new Set([name])))));
}

/** How a client gets to hub and content. */
export type Route = 'http' | 'https' | LinkName;

/** Milliseconds to the first byte of every answer, of the host of the bytes; in the field also apart for new connections. */
export const WAITS = [0, 50, 200, 650] as const;
type Wait = (typeof WAITS)[number];
export type WaitingName = `wait ${Wait}` | `gigabit ${Wait}` | 'field';
export type LinkName =
  | 'capped'
  | 'straggler'
  | 'steady'
  | 'far'
  | 'late'
  | 'collapse'
  | 'tls 20'
  | 'tls 5'
  | WaitingName;

/** "MB" is 10^6 bytes. A window of 3 MiB is about what Linux grants a reader by default. */
const FAR: Link = { delayMs: 25, windowBytes: 3 << 20 };
/** Everything on these links is an eighth of what it is on the Hub, but for times. */
export const SCALE = 8;
const HUB_CONNECTION = 29.4e6 / SCALE;
const TEN_GIGABIT = 1.25e9 / SCALE;

function waiting(fresh: number, warm: number, totalBytesPerSecond: number): Link {
  return { bytesPerSecond: HUB_CONNECTION, totalBytesPerSecond, firstByteMs: { fresh, warm } };
}

const WAITING = Object.fromEntries([
  ...WAITS.flatMap((wait) => [
    [`wait ${wait}`, waiting(wait, wait, TEN_GIGABIT)],
    [`gigabit ${wait}`, waiting(wait, wait, TEN_GIGABIT / 10)],
  ]),
  ['field', waiting(650, 150, TEN_GIGABIT)],
]) as Record<WaitingName, Link>;

export const LINKS: Readonly<Record<LinkName, Link>> = {
  capped: { bytesPerSecond: 20e6 },
  straggler: { bytesPerSecond: 20e6, straggler: { connection: 3, bytesPerSecond: 1e6 } },
  steady: { bytesPerSecond: 50e6 },
  far: FAR,
  late: { firstByteMs: { fresh: 200, warm: 200 } },
  // In front of a host that starves by itself.
  collapse: {},
  'tls 20': { bytesPerSecond: 20e6 },
  'tls 5': { bytesPerSecond: 5e6 },
  ...WAITING,
};

/** Links to the content over HTTPS. */
const TLS: ReadonlySet<string> = new Set<LinkName>(['tls 20', 'tls 5']);

/** More answers at once than `above` starve all of them; an eighth of what was seen of the Hub. */
export const COLLAPSE: Starving = { above: 8, each: 30e6 / SCALE, trickle: 62e3 / SCALE };

/** In front of the hub itself, for the route that is far from everything. */
const FAR_HUB = 'far hub';

/** The hub itself answers sooner than the host of the bytes, in milliseconds. */
const HUB_WAITS = [0, 50, 100, 200];

export interface Sent {
  /** Of file content. */
  readonly bytes: number;
  /** Accepted on the link; undefined where there is none. */
  readonly connections?: number;
  /** Bytes of the link since `prepare`, after each `HISTORY_MS`. */
  readonly history?: readonly number[];
}

function partName(part: number, parts: number): string {
  return `model-0000${part}-of-0000${parts}.safetensors`;
}

/** Everything that answers: content on tmpfs behind nginx, the project's hub, and the links. */
export class Serving {
  readonly hub: Helper<HubMethods> = new Helper(new URL('./hub-process.js', import.meta.url));
  readonly links: Helper<LinkMethods> = new Helper(new URL('./link-process.js', import.meta.url));
  readonly #content: string;
  readonly #ports = new Map<string, number>();
  readonly #sources = new Map<string, string>();
  readonly #pathnames = new Map<string, string>();
  #nginx: Nginx | undefined;
  #facts: HubFacts | undefined;

  constructor(directory: string) {
    this.#content = join(directory, 'content');
  }

  async start(
    directory: string,
    programs: { nginx: string; openssl: string },
    wanted: { size: number; count: number; repositories: ReadonlySet<RepositoryName> },
  ): Promise<void> {
    const { size, count } = wanted;
    await mkdir(this.#content, { recursive: true });
    for (const [index, name] of weightsOf(wanted.repositories).entries()) {
      await writeRandom(this.#file(name), sizeOf(name, size), index + 1);
    }
    const big = [...wanted.repositories].filter((name) => name !== 'small');
    const repositories = Object.fromEntries(
      big.map((name) => {
        const parts = WEIGHTS[name];
        const files = parts.map((part, index) => ({
          name: parts.length === 1 ? 'model.safetensors' : partName(index + 1, parts.length),
          file: this.#file(part),
        }));
        return [`bench/${name}`, files];
      }),
    );
    for (const [id, files] of Object.entries(repositories)) {
      for (const { name, file } of files) this.#sources.set(`${id}/${name}`, file);
    }
    const small = { id: 'bench/small', count: wanted.repositories.has('small') ? count : 1 };
    this.#facts = await this.hub.call('start', { repositories, small });
    this.#nginx = await startNginx(programs, join(directory, 'nginx'), this.#content, this.#facts.port);
    await this.#openLinks(this.#nginx, this.#facts.port);
    for (const name of big) await this.#place(this.job(name, 'http'));
  }

  async #openLinks(nginx: Nginx, hubPort: number): Promise<void> {
    const starved = await this.links.call('starve', { port: nginx.httpPort, starving: COLLAPSE });
    for (const [name, link] of Object.entries(LINKS)) {
      const port = TLS.has(name) ? nginx.httpsPort : name === 'collapse' ? starved : nginx.httpPort;
      this.#ports.set(name, await this.links.call('open', { name, port, link }));
    }
    for (const wait of HUB_WAITS) {
      const link: Link = { firstByteMs: { fresh: wait, warm: wait } };
      const name = `hub ${wait}`;
      this.#ports.set(name, await this.links.call('open', { name, port: hubPort, link }));
    }
    this.#ports.set(FAR_HUB, await this.links.call('open', { name: FAR_HUB, port: hubPort, link: FAR }));
  }

  job(name: RepositoryName, route: Route): Job {
    const nginx = this.nginx;
    const repo = `bench/${name}`;
    // The scenes of repositories that were not asked for do not run.
    const { commit, files } = this.#facts?.repositories[repo] ?? { commit: '', files: [] };
    const local = (port: number): string => `http://127.0.0.1:${port}`;
    const about = {
      scale: route in WAITING || route === 'collapse' ? SCALE : 1,
      repo,
      commit,
      files: files.map((file) => ({
        ...file,
        source: this.#sources.get(`${repo}/${file.path}`),
        pathname: this.#pathnames.get(`${repo}/${file.path}`),
      })),
    };
    const hub = local(this.#facts?.port ?? 0);
    if (route === 'http')
      return { ...about, endpoint: hub, cdnBase: local(nginx.httpPort), ca: undefined, link: undefined };
    if (route === 'https') {
      const endpoint = `https://127.0.0.1:${nginx.hubHttpsPort}`;
      const cdnBase = `https://127.0.0.1:${nginx.httpsPort}`;
      return { ...about, endpoint, cdnBase, ca: nginx.ca, link: undefined };
    }
    if (TLS.has(route)) {
      const endpoint = `https://127.0.0.1:${nginx.hubHttpsPort}`;
      const cdnBase = `https://127.0.0.1:${this.#ports.get(route)}`;
      return { ...about, endpoint, cdnBase, ca: nginx.ca, link: route };
    }
    const { firstByteMs } = LINKS[route];
    const longest = route === 'late' ? 200 : 100;
    const hubWait = HUB_WAITS.find((wait) => wait >= Math.min(firstByteMs?.warm ?? 0, longest));
    const waitingHub = firstByteMs === undefined ? undefined : this.#ports.get(`hub ${hubWait}`);
    const farHub = route === 'far' ? this.#ports.get(FAR_HUB) : waitingHub;
    const endpoint = farHub === undefined ? hub : local(farHub);
    return { ...about, endpoint, cdnBase: local(this.#ports.get(route)!), ca: undefined, link: route };
  }

  get nginx(): Nginx {
    if (this.#nginx === undefined) throw new Error('nginx was not started');
    return this.#nginx;
  }

  /** Before a run: everything is where the job says, and nothing is counted yet. */
  async prepare(job: Job): Promise<void> {
    await this.hub.call('prepare', { cdnBase: job.cdnBase });
    if (job.link !== undefined) await this.links.call('reset', job.link);
    this.nginx.sentSince();
  }

  /** What was sent since then, as the last server on the way counts it. */
  async sent(job: Job): Promise<Sent> {
    const fromHub = (await this.hub.call('count')).bytes;
    if (job.link === undefined) return { bytes: this.nginx.sentSince() + fromHub };
    const { bytes, connections, history } = await this.links.call('count', job.link);
    return { bytes: bytes + fromHub, connections, history };
  }

  async stop(): Promise<void> {
    this.#nginx?.stop();
    await Promise.all([this.hub.close(), this.links.close()]);
  }

  #file(name: string): string {
    return join(this.#content, `${name}.bin`);
  }

  /** Puts the files where the hub's redirects will look for them. */
  async #place(job: Job): Promise<void> {
    await this.hub.call('prepare', { cdnBase: job.cdnBase });
    for (const { path, source } of job.files) {
      const answer = await fetch(urlOf(job, path), { method: 'HEAD', redirect: 'manual' });
      const { pathname } = new URL(answer.headers.get('location') ?? '');
      this.#pathnames.set(`${job.repo}/${path}`, pathname);
      const place = join(this.#content, pathname);
      await mkdir(dirname(place), { recursive: true });
      await symlink(source!, place);
    }
  }
}
