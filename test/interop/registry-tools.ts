import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const TOOLS = fileURLToPath(new URL('../../.tools', import.meta.url));

export type RegistryTool = 'docker-registry' | 'skopeo' | 'oras';

/** Why some of these programs cannot be run; undefined if all can. */
export function missingTools(...names: readonly RegistryTool[]): string | undefined {
  const missing = names.filter((name) => !existsSync(join(TOOLS, 'bin', name)));
  if (missing.length === 0) return undefined;
  const text = `${missing.join(', ')} missing: run test/support/registry-tools.sh`;
  // Where the tools are promised, their absence is a failure and not a skipped test.
  if (process.env['FETCH_TEST_REQUIRE_REGISTRY_TOOLS'] === '1') throw new Error(text);
  return text;
}

/** Runs one of the programs in a directory, which is its home as well. */
export async function runTool(
  name: RegistryTool,
  words: readonly string[],
  directory: string,
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  return await run(join(TOOLS, 'bin', name), words, { cwd: directory, env: environmentOf(directory) });
}

/** Debian's registry on a free port, with its files in a directory. `host` is `127.0.0.1:PORT`. */
export interface RealRegistry extends AsyncDisposable {
  readonly host: string;
}

export async function startRealRegistry(directory: string): Promise<RealRegistry> {
  const { writeFile } = await import('node:fs/promises');
  const { createServer } = await import('node:net');
  const port = await new Promise<number>((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port: free } = server.address() as { port: number };
      server.close(() => resolve(free));
    });
  });
  const config = join(directory, 'registry.yml');
  await writeFile(
    config,
    `version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: ${join(directory, 'storage')}}}\nhttp: {addr: '127.0.0.1:${port}'}\n`,
  );
  const child = spawn(join(TOOLS, 'bin/docker-registry'), ['serve', config], {
    env: environmentOf(directory),
    stdio: 'ignore',
  });
  const ended = new Promise((resolve) => child.once('close', resolve));
  const host = `127.0.0.1:${port}`;
  for (let tries = 0; ; tries += 1) {
    const answered = await fetch(`http://${host}/v2/`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (answered) break;
    if (tries > 600 || child.exitCode !== null) throw new Error('docker-registry does not answer');
    await sleep(50);
  }
  return {
    host,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

function environmentOf(directory: string): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '',
    HOME: directory,
    LD_LIBRARY_PATH: join(TOOLS, 'lib'),
    NO_PROXY: '127.0.0.1',
  };
}
