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

export type LinkName = 'capped' | 'straggler' | 'steady' | 'far';

/** "MB" is 10^6 bytes. A window of 3 MiB is about what Linux grants a reader by default. */
const FAR: Link = { delayMs: 25, windowBytes: 3 << 20 };
export const LINKS: Readonly<Record<LinkName, Link>> = {
  capped: { bytesPerSecond: 20e6 },
  straggler: { bytesPerSecond: 20e6, straggler: { connection: 3, bytesPerSecond: 1e6 } },
  steady: { bytesPerSecond: 50e6 },
  far: FAR,
};

/** In front of the hub itself, for the route that is far from everything. */
const FAR_HUB = 'far hub';

/** Everything that answers: content on tmpfs behind nginx, the project's hub, and the links. */
export class Serving {
  readonly hub: Helper<HubMethods> = new Helper(new URL('./hub-process.js', import.meta.url));
  readonly links: Helper<LinkMethods> = new Helper(new URL('./link-process.js', import.meta.url));
  readonly #content: string;
  readonly #ports = new Map<string, number>();
  readonly #sources = new Map<string, string>();
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
      files: files.map((file) => ({ ...file, source: this.#sources.get(`${repo}/${file.path}`) })),
    };
    const hub = local(this.#facts!.port);
    if (route === 'http')
      return { ...about, endpoint: hub, cdnBase: local(nginx.httpPort), ca: undefined, link: undefined };
    if (route === 'https') {
      const endpoint = `https://127.0.0.1:${nginx.hubHttpsPort}`;
      const cdnBase = `https://127.0.0.1:${nginx.httpsPort}`;
      return { ...about, endpoint, cdnBase, ca: nginx.ca, link: undefined };
    }
    const endpoint = route === 'far' ? local(this.#ports.get(FAR_HUB)!) : hub;
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
      const place = join(this.#content, pathname);
      await mkdir(dirname(place), { recursive: true });
      await symlink(source!, place);
    }
  }
}
