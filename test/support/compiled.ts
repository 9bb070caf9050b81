import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const root = join(import.meta.dirname, '..', '..');

/**
 * The sources as JavaScript, for what only runs compiled: threads and other processes. Not `dist`, which
 * other tests use and a build empties. Compiled once for every state of the sources. Returns the directory's URL.
 */
export function compiled(): URL {
  const all = join(root, 'node_modules', '.cache', 'fetch-tests');
  const directory = join(all, stateOf(join(root, 'src')));
  if (!existsSync(directory)) {
    const unfinished = `${directory}.${process.pid}`;
    mkdirSync(unfinished, { recursive: true });
    const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    execFileSync(process.execPath, [compiler, '-p', 'tsconfig.build.json', '--outDir', unfinished], {
      cwd: root,
    });
    writeFileSync(join(unfinished, 'package.json'), '{"type":"module"}');
    for (const old of readdirSync(all)) {
      if (!old.includes('.') && join(all, old) !== directory)
        rmSync(join(all, old), { recursive: true, force: true });
    }
    try {
      renameSync(unfinished, directory);
    } catch (error) {
      // Another test was first.
      if (!existsSync(directory)) throw error;
      rmSync(unfinished, { recursive: true });
    }
  }
  return pathToFileURL(`${directory}/`);
}

function stateOf(directory: string): string {
  const hash = createHash('sha256');
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort()) {
    hash.update(`${name} ${statSync(join(directory, name)).mtimeMs}\n`);
  }
  return hash.digest('hex').slice(0, 16);
}
