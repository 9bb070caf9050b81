import { execFileSync, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { temporaryDirectory } from './temporary-directory.ts';

/** A real proxy, as Debian ships it, for one test. */
export interface Tinyproxy extends AsyncDisposable {
  readonly address: string;
  /** What it was asked for: `CONNECT 127.0.0.1:1234`, `GET http://…`. */
  requests(): string[];
}

/** Undefined where it is not installed. */
export async function startTinyproxy(auth?: {
  user: string;
  password: string;
}): Promise<Tinyproxy | undefined> {
  try {
    execFileSync('tinyproxy', ['-v'], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  const directory = temporaryDirectory();
  const port = await freePort();
  const log = join(directory, 'log');
  const lines = [`Port ${port}`, 'Listen 127.0.0.1', 'Allow 127.0.0.1', 'LogLevel Info', `LogFile "${log}"`];
  if (auth !== undefined) lines.push(`BasicAuth ${auth.user} ${auth.password}`);
  const configuration = join(directory, 'tinyproxy.conf');
  writeFileSync(configuration, `${lines.join('\n')}\n`);
  const child = spawn('tinyproxy', ['-d', '-c', configuration], { stdio: 'ignore' });
  const ended = new Promise((resolve) => child.once('close', resolve));
  for (let tries = 0; !(await answers(port)); tries += 1) {
    if (tries > 100) throw new Error('tinyproxy does not answer');
    await sleep(50);
  }
  return {
    address: `127.0.0.1:${port}`,
    requests: () =>
      Array.from(
        readFileSync(log, 'utf8').matchAll(/Request \(file descriptor \d+\): (.*) HTTP/g),
        (match) => match[1]!,
      ),
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
