import { mkdir, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writeRandom } from './content.ts';
import { Helper } from './helper.ts';
import type { HubFacts, HubMethods } from './hub-process.ts';
import { type Job, urlOf } from './job.ts';
import type { LinkMethods } from './link-process.ts';
import { type Nginx, startNginx } from './nginx.ts';
import type { Link } from './throttle.ts';

/** Repositories of the bench; the first four have big files. */
export type RepositoryName = 'one' | 'half' | 'quarter' | 'four' | 'small';

/** How a client gets to hub and content. */
export type Route = 'http' | 'https' | LinkName;

/** Milliseconds to the first byte of every answer, of the host of the bytes; in the field also apart for new connections. */
export const WAITS = [0, 50, 200, 650] as const;
type Wait = (typeof WAITS)[number];
export type WaitingName = `wait ${Wait}` | `gigabit ${Wait}` | 'field';
export type LinkName = 'capped' | 'straggler' | 'steady' | 'far' | WaitingName;

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
  ...WAITING,
};

/** In front of the hub itself, for the route that is far from everything. */
const FAR_HUB = 'far hub';

/** The hub itself answers sooner than the host of the bytes, in milliseconds. */
const HUB_WAITS = [0, 50, 100];

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
    sizes: { size: number; count: number },
  ): Promise<void> {
    const { size, count } = sizes;
    const half = Math.floor(size / 2);
    const pieces: [string, number][] = [
      ['one', size],
      ['quarter', Math.floor(size / 4)],
      ...[1, 2, 3, 4].map((part): [string, number] => [`part-${part}`, half]),
    ];
    await mkdir(this.#content, { recursive: true });
    for (const [index, [name, length]] of pieces.entries()) {
      await writeRandom(this.#file(name), length, index + 1);
    }
    const part = (number: number) => ({
      name: `model-0000${number}-of-00004.safetensors`,
      file: this.#file(`part-${number}`),
    });
    const repositories = {
      'bench/one': [{ name: 'model.safetensors', file: this.#file('one') }],
      'bench/half': [{ name: 'model.safetensors', file: this.#file('part-1') }],
      'bench/quarter': [{ name: 'model.safetensors', file: this.#file('quarter') }],
      'bench/four': [1, 2, 3, 4].map(part),
    };
    for (const [id, files] of Object.entries(repositories)) {
      for (const { name, file } of files) this.#sources.set(`${id}/${name}`, file);
    }
    this.#facts = await this.hub.call('start', { repositories, small: { id: 'bench/small', count } });
    this.#nginx = await startNginx(programs, join(directory, 'nginx'), this.#content, this.#facts.port);
    for (const [name, link] of Object.entries(LINKS)) {
      this.#ports.set(name, await this.links.call('open', { name, port: this.#nginx.httpPort, link }));
    }
    for (const wait of HUB_WAITS) {
      const link: Link = { firstByteMs: { fresh: wait, warm: wait } };
      const name = `hub ${wait}`;
      this.#ports.set(name, await this.links.call('open', { name, port: this.#facts.port, link }));
    }
    this.#ports.set(
      FAR_HUB,
      await this.links.call('open', { name: FAR_HUB, port: this.#facts.port, link: FAR }),
    );
    for (const name of ['one', 'half', 'quarter', 'four'] as const) await this.#place(this.job(name, 'http'));
  }

  job(name: RepositoryName, route: Route): Job {
    const nginx = this.nginx;
    const repo = `bench/${name}`;
    const { commit, files } = this.#facts!.repositories[repo]!;
    const local = (port: number): string => `http://127.0.0.1:${port}`;
    const about = {
      repo,
      commit,
      files: files.map((file) => ({
        ...file,
        source: this.#sources.get(`${repo}/${file.path}`),
        pathname: this.#pathnames.get(`${repo}/${file.path}`),
      })),
    };
    const hub = local(this.#facts!.port);
    if (route === 'http')
      return { ...about, endpoint: hub, cdnBase: local(nginx.httpPort), ca: undefined, link: undefined };
    if (route === 'https') {
      const endpoint = `https://127.0.0.1:${nginx.hubHttpsPort}`;
      const cdnBase = `https://127.0.0.1:${nginx.httpsPort}`;
      return { ...about, endpoint, cdnBase, ca: nginx.ca, link: undefined };
    }
    const { firstByteMs } = LINKS[route];
    const hubWait = HUB_WAITS.find((wait) => wait >= (firstByteMs?.warm ?? 0)) ?? HUB_WAITS.at(-1);
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

  /** Bytes of files that were sent since then, as the last server on the way counts them. */
  async sent(job: Job): Promise<number> {
    const fromNginx =
      job.link === undefined ? this.nginx.sentSince() : (await this.links.call('count', job.link)).bytes;
    return fromNginx + (await this.hub.call('count')).bytes;
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
