import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { installedTool } from './installed-tool.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/** Debian's nginx with a configuration of ours, for one test. */
export interface Nginx extends AsyncDisposable {
  readonly origin: string;
}

/**
 * Starts it with what stands in its `http` block; `text` gets a port and a directory that nginx may write. Undefined where it
 * is not installed.
 */
export async function startNginx(
  text: (place: { readonly port: number; readonly directory: string }) => string,
): Promise<Nginx | undefined> {
  const file = installedTool('nginx');
  if (file === undefined) return undefined;
  const directory = temporaryDirectory();
  chmodSync(directory, 0o755);
  for (const name of ['body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']) mkdirSync(join(directory, name));
  const port = await freePort();
  const configuration = join(directory, 'nginx.conf');
  writeFileSync(
    configuration,
    `daemon off;
pid ${directory}/nginx.pid;
error_log ${directory}/error.log warn;
worker_processes 1;
${process.getuid?.() === 0 ? 'user root;' : ''}
events { worker_connections 1024; }
http {
access_log off;
client_body_temp_path ${directory}/body;
proxy_temp_path ${directory}/proxy;
fastcgi_temp_path ${directory}/fastcgi;
uwsgi_temp_path ${directory}/uwsgi;
scgi_temp_path ${directory}/scgi;
${text({ port, directory })}
}
`,
  );
  execFileSync(file, ['-t', '-q', '-c', configuration, '-p', directory, '-e', join(directory, 'error.log')]);
  const child = spawn(file, ['-c', configuration, '-p', directory, '-e', join(directory, 'error.log')], {
    stdio: 'ignore',
  });
  const ended = new Promise((resolve) => child.once('close', resolve));
  const origin = `http://127.0.0.1:${port}`;
  for (let tries = 0; !(await answers(origin)); tries += 1) {
    if (tries > 600 || child.exitCode !== null) throw new Error('nginx does not answer');
    await sleep(50);
  }
  return {
    origin,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

async function answers(origin: string): Promise<boolean> {
  return await fetch(origin).then(
    () => true,
    () => false,
  );
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
