import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Agent, get } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { generated } from '../support/hub/content/content.ts';
import { startHub } from '../support/hub/hub.ts';
import { gitFile, lfsFile } from '../support/hub/repositories/file.ts';
import { Workspace } from '../support/run-program.ts';
import { type ServingProgram, startServing } from '../support/serving.ts';

const ID = 'tests/crowd';
/** More than the buffers of the system hold for one connection: a client that takes nothing stops the answer. */
const SIZE = 24_000_000;
const CONNECTIONS = 2000;
const SLOW_READERS = 200;

let staged: Workspace;

beforeAll(async () => {
  const hub = await startHub({
    repositories: [
      {
        id: ID,
        branches: {
          main: [
            gitFile('config.json', '{}\n'),
            lfsFile('model.safetensors', generated('crowd', SIZE)),
            // A tree whose pages are large.
            ...Array.from({ length: 1500 }, (_, index) =>
              gitFile(`${'directory/'.repeat(8)}${index}.json`, `${index}\n`),
            ),
          ],
        },
      },
    ],
  });
  staged = await Workspace.open({ endpoint: hub.origin });
  const stage = await staged.run([ID, '--local-dir', 'model']);
  await hub.close();
  if (stage.exit !== 0) throw new Error(stage.stderr);
});

afterAll(async () => {
  await staged[Symbol.asyncDispose]();
});

/** Connections that end with the test. */
class Crowd implements Disposable {
  readonly #port: number;
  readonly #sockets: Socket[] = [];

  constructor({ url }: ServingProgram) {
    this.#port = Number(new URL(url).port);
  }

  /** Sends a text, and reads nothing of the answer. Resolves when connected. */
  async open(text: string): Promise<Socket> {
    const socket = connect(this.#port, '127.0.0.1').on('error', () => {});
    this.#sockets.push(socket);
    socket.pause();
    await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
    socket.write(text);
    return socket;
  }

  async openMany(count: number, text: string): Promise<Socket[]> {
    const sockets: Socket[] = [];
    while (sockets.length < count) {
      const some = Array.from({ length: Math.min(100, count - sockets.length) }, () => this.open(text));
      sockets.push(...(await Promise.all(some)));
    }
    return sockets;
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** Greatest memory so far, in bytes. */
async function peakMemory({ program }: ServingProgram): Promise<number> {
  const status = await readFile(`/proc/${program.pid}/status`, 'utf8');
  return Number(/VmHWM:\s*(\d+) kB/.exec(status)?.[1]) * 1024;
}

const head = (path: string, method = 'GET') => `${method} ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;

async function takesAll(url: string): Promise<void> {
  const answer = await fetch(`${url}/${ID}/resolve/main/model.safetensors`);
  const bytes = Buffer.from(await answer.arrayBuffer());
  expect(bytes.equals(await readFile(staged.path('model', 'model.safetensors')))).toBe(true);
}

test('2,000 connections with slow heads and slow readers: others are served, in less than 200 MB', async () => {
  await using served = await startServing(staged, ['model']);
  using crowd = new Crowd(served);
  const readers = await crowd.openMany(SLOW_READERS, head(`/${ID}/resolve/main/model.safetensors`));
  await crowd.openMany(SLOW_READERS, head(`/api/models/${ID}/tree/main?recursive=1`).repeat(4));
  const slowHeads = await crowd.openMany(
    CONNECTIONS - 2 * SLOW_READERS,
    'GET /api/models/x HTTP/1.1\r\nHost: x\r\nX-Slow: ',
  );
  await takesAll(served.url);
  if (existsSync('/proc/self/status')) expect(await peakMemory(served)).toBeLessThan(200e6);
  // Heads that do not end are refused, and their connections are free again.
  const answers = await Promise.all(
    slowHeads.map(async (socket) => {
      let said = '';
      socket.on('data', (chunk) => {
        said += String(chunk);
      });
      socket.resume();
      await new Promise<void>((resolve) => socket.once('close', () => resolve()));
      return said.split('\r\n', 1)[0];
    }),
  );
  const refused = answers.filter((answer) => answer === 'HTTP/1.1 408 Request Timeout');
  // A reset may overtake the answer.
  expect(new Set(answers.filter((answer) => answer !== ''))).toEqual(new Set(refused));
  expect(refused.length).toBeGreaterThan(answers.length / 2);
  // A reader that goes on gets what it asked for.
  const [reader] = readers;
  let bytes = 0;
  await new Promise<void>((resolve) => {
    reader!.on('data', (chunk) => {
      bytes += chunk.length;
      if (bytes > SIZE) resolve();
    });
    reader!.resume();
  });
});

test('a connection with many requests that wait is ended, one with a few is answered in order', async () => {
  await using served = await startServing(staged, ['model']);
  using crowd = new Crowd(served);
  const few = await crowd.open(
    ['config.json', 'nothing', 'config.json']
      .map((path) => head(`/${ID}/resolve/main/${path}`, 'HEAD'))
      .join(''),
  );
  let said = '';
  await new Promise<void>((resolve) => {
    few.on('data', (chunk) => {
      said += String(chunk);
      if (said.match(/\r\n\r\n/g)?.length === 3) resolve();
    });
    few.resume();
  });
  expect([...said.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status]) => status)).toEqual([
    '200',
    '404',
    '200',
  ]);
  const many = await crowd.open(head(`/${ID}/resolve/main/model.safetensors`).repeat(50));
  await new Promise<void>((resolve) => many.once('close', () => resolve()).resume());
  await takesAll(served.url);
});

/** The status of an answer, on a connection that the agent keeps. */
function statusOf(url: string, agent: Agent): Promise<readonly [status: number, retryAfter: string]> {
  return new Promise((resolve, reject) => {
    get(url, { agent }, (answer) => {
      answer.resume().on('end', () => {
        resolve([answer.statusCode ?? 0, answer.headers['retry-after'] ?? '']);
      });
    }).on('error', reject);
  });
}

const canLimit = spawnSync('prlimit', ['--version']).status === 0;

test.skipIf(!canLimit).each(['directory', 'cache'])(
  'short of descriptors, what is in a %s is 503 for a while, and never 404',
  async (kind) => {
    await using hub = await startHub({
      repositories: [{ id: ID, branches: { main: [gitFile('config.json', '{}\n')] } }],
    });
    await using workspace = await Workspace.open({ endpoint: hub.origin });
    const where = kind === 'cache' ? ['--cache-dir', 'held'] : ['--local-dir', 'held'];
    expect((await workspace.run([ID, ...where])).exit).toBe(0);
    await using served = await startServing(workspace, kind === 'cache' ? where : ['held']);
    const asked = ['/api/models', ''].map((start) => `${served.url}${start}/${ID}`);
    const urls = [asked[0]!, `${asked[0]}/tree/main`, `${asked[1]}/resolve/main/config.json`];
    const limit = (soft: string) => execFileSync('prlimit', ['--pid', `${served.program.pid}`, soft]);
    const agents = urls.map(() => new Agent({ keepAlive: true, maxSockets: 1 }));
    const ask = () => Promise.all(urls.map((url, index) => statusOf(url, agents[index]!)));
    const settled = async (status: number) => {
      let statuses: Awaited<ReturnType<typeof ask>>;
      do {
        // What was read a moment before is used again for two seconds.
        await new Promise((resolve) => setTimeout(resolve, 100));
        statuses = await ask();
        expect(statuses.map(([one]) => one)).not.toContain(404);
      } while (!statuses.every(([one]) => one === status));
      return statuses;
    };
    try {
      expect(await ask()).toEqual(urls.map(() => [200, '']));
      limit('--nofile=3:');
      expect(await settled(503)).toEqual(urls.map(() => [503, '1']));
      await served.program.until('it is told', () =>
        served.program.stderr.includes('too many files are open'),
      );
      limit('--nofile=4096:');
      await settled(200);
    } finally {
      for (const agent of agents) agent.destroy();
    }
  },
);
