import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Programs outside of this repository; undefined where one is missing. */
export interface Tools {
  readonly nginx: string | undefined;
  readonly openssl: string | undefined;
  readonly curl: string | undefined;
  readonly aria2c: string | undefined;
  readonly hf: string | undefined;
  readonly hfdownloader: string | undefined;
  /** Name to version, of those that are there. */
  readonly versions: Readonly<Record<string, string>>;
}

/** Where `prepare.sh` puts what is no package of the system. */
export function toolsDirectory(environment: NodeJS.ProcessEnv): string {
  return environment['FETCH_BENCH_TOOLS'] ?? join(homedir(), '.cache/fetch-bench');
}

export function findTools(directory: string): Tools {
  const hf = join(directory, 'python/bin/hf');
  const hfdownloader = join(directory, 'hfdownloader');
  const tools = {
    nginx: inPath('nginx'),
    openssl: inPath('openssl'),
    curl: inPath('curl'),
    aria2c: inPath('aria2c'),
    hf: existsSync(hf) ? hf : undefined,
    hfdownloader: existsSync(hfdownloader) ? hfdownloader : undefined,
  };
  const versions: Record<string, string> = { node: process.versions.node };
  note(versions, 'curl', tools.curl, ['--version'], /curl ([\d.]+)/);
  note(versions, 'openssl', tools.openssl, ['version'], /OpenSSL ([\d.]+)/);
  note(versions, 'aria2', tools.aria2c, ['--version'], /version ([\d.]+)/);
  note(versions, 'nginx', tools.nginx, ['-v'], /nginx\/([\d.]+)/);
  if (tools.hfdownloader !== undefined) {
    // What it says about itself is older than its last release.
    const commit = said('cat', [`${hfdownloader}.commit`])
      .trim()
      .slice(0, 7);
    versions['hfdownloader'] = `2.3.4 (${commit})`;
  }
  if (tools.hf !== undefined) {
    const script = 'from importlib.metadata import version as v; print(v("huggingface_hub"), v("hf_xet"))';
    const [hub, xet] = said(join(directory, 'python/bin/python'), ['-c', script]).trim().split(' ');
    versions['huggingface_hub'] = hub ?? '?';
    versions['hf_xet'] = xet ?? '?';
  }
  return { ...tools, versions };
}

function inPath(name: string): string | undefined {
  // Servers live where ordinary users do not look.
  const directories = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/usr/local/sbin'];
  return directories.map((directory) => join(directory, name)).find((path) => existsSync(path));
}

function note(
  versions: Record<string, string>,
  name: string,
  program: string | undefined,
  argv: readonly string[],
  pattern: RegExp,
): void {
  if (program === undefined) return;
  versions[name] = pattern.exec(said(program, argv))?.[1] ?? '?';
}

function said(program: string, argv: readonly string[]): string {
  // nginx names its version on the wrong stream.
  return execFileSync('sh', ['-c', '"$0" "$@" 2>&1', program, ...argv], { encoding: 'utf8' });
}
