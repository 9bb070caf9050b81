import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Content } from '../hub/content/content.ts';
import { jsonReply, type Reply, textReply } from '../hub/wire/reply.ts';
import type { FetchRange, SignAddress } from './reconstruction.ts';

const PROGRAM = fileURLToPath(new URL('../../../.tools/bin/local_cas_server', import.meta.url));

interface Answer {
  readonly fetch_info?: Readonly<Record<string, { url: string; url_range: FetchRange['bytes'] }[]>>;
  readonly xorbs?: Readonly<Record<string, { url: string; ranges: readonly FetchRange[] }[]>>;
}

/** Why Hugging Face's own server cannot be run; undefined if it can. */
export function missingRealStore(): string | undefined {
  if (existsSync(PROGRAM)) return undefined;
  const text = 'local_cas_server is missing: run test/support/xet-tools.sh';
  // Where it is promised, its absence is a failure and not a skipped test.
  if (process.env['FETCH_TEST_REQUIRE_XET_TOOLS'] === '1') throw new Error(text);
  return text;
}

/** Hugging Face's `local_cas_server`, which knows neither tokens nor signatures: a ContentStore stands before it. */
export class RealStore implements AsyncDisposable {
  readonly origin: string;
  readonly #end: () => Promise<void>;
  readonly #sizes = new Map<string, Promise<number>>();

  private constructor(origin: string, end: () => Promise<void>) {
    this.origin = origin;
    this.#end = end;
  }

  /** Holds everything in memory. */
  static async start(home: string): Promise<RealStore> {
    const port = await freePort();
    const child = spawn(PROGRAM, ['--in-memory', '--port', String(port)], {
      cwd: home,
      env: { PATH: process.env['PATH'] ?? '', HOME: home },
      stdio: 'ignore',
    });
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
    const origin = `http://127.0.0.1:${port}`;
    while (!(await isUp(origin))) {
      if (child.exitCode !== null) throw new Error('local_cas_server has ended');
      await sleep(50);
    }
    return new RealStore(origin, async () => {
      child.kill('SIGKILL');
      await ended;
    });
  }

  /** What the server answers, with signed addresses in place of its own. */
  async reconstruction(
    version: 'v1' | 'v2',
    hash: string,
    range: string | undefined,
    sign: SignAddress,
  ): Promise<Reply> {
    const headers = range === undefined ? {} : { range };
    const response = await fetch(`${this.origin}/${version}/reconstructions/${hash}`, { headers });
    if (response.status !== 200) return textReply(response.status, await response.text());
    const answer = (await response.json()) as Answer;
    for (const [xorb, entries] of Object.entries(answer.fetch_info ?? {})) {
      for (const entry of entries) entry.url = sign(xorb, [entry.url_range]);
    }
    for (const [xorb, entries] of Object.entries(answer.xorbs ?? {})) {
      for (const entry of entries) {
        entry.url = sign(
          xorb,
          entry.ranges.map(({ bytes }) => bytes),
        );
      }
    }
    return jsonReply(200, answer);
  }

  async content(xorb: string): Promise<Content> {
    const size = this.#sizes.get(xorb) ?? this.#sizeOf(xorb);
    this.#sizes.set(xorb, size);
    const read = (start: number, end: number): AsyncIterable<Buffer> => this.#read(xorb, start, end);
    return { size: await size, key: `real xorb:${xorb}`, read };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
  }

  async *#read(xorb: string, start: number, end: number): AsyncGenerator<Buffer> {
    const response = await this.#fetch(xorb, `${start}-${end}`);
    for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) yield Buffer.from(piece);
  }

  /** It names the size of a xorb only where several ranges are asked for. */
  async #sizeOf(xorb: string): Promise<number> {
    const text = await (await this.#fetch(xorb, '0-1,1-2')).text();
    const size = Number(/Content-Range: bytes 0-0\/(\d+)/i.exec(text)?.[1]);
    if (!Number.isSafeInteger(size)) throw new Error(`no size of xorb ${xorb}`);
    return size;
  }

  async #fetch(xorb: string, ranges: string): Promise<Response> {
    const term = Buffer.from(`${xorb}:${ranges}`).toString('base64url');
    const response = await fetch(`${this.origin}/v1/fetch_term?term=${term}`);
    if (!response.ok)
      throw new Error(`local_cas_server answers ${response.status}: ${await response.text()}`);
    return response;
  }
}

async function isUp(origin: string): Promise<boolean> {
  return await fetch(`${origin}/health`).then(
    ({ ok }) => ok,
    () => false,
  );
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
