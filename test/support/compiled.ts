import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const root = join(import.meta.dirname, '..', '..');

/**
 * The sources as JavaScript, for what only runs compiled: threads and other processes. Not `dist`, which
 * other tests use and a build empties. Compiled once for every state of the sources. Returns the folder's URL.
 */
export function compiled(): URL {
  const all = join(root, 'node_modules', '.cache', 'fetch-tests');
  const folder = join(all, stateOf(join(root, 'src')));
  if (!existsSync(folder)) {
    const unfinished = `${folder}.${process.pid}`;
    mkdirSync(unfinished, { recursive: true });
    const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    execFileSync(process.execPath, [compiler, '-p', 'tsconfig.build.json', '--outDir', unfinished], {
      cwd: root,
    });
    writeFileSync(join(unfinished, 'package.json'), '{"type":"module"}');
    for (const old of readdirSync(all)) {
      // Another test may have compiled the same state meanwhile, and be using it.
      if (!old.includes('.') && join(all, old) !== folder)
        rmSync(join(all, old), { recursive: true, force: true });
    }
    try {
      renameSync(unfinished, folder);
    } catch (error) {
      // Another test was first.
      if (!existsSync(folder)) throw error;
      rmSync(unfinished, { recursive: true });
    }
  }
  return pathToFileURL(`${folder}/`);
}

function stateOf(folder: string): string {
  const hash = createHash('sha256');
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()) {
    hash.update(`${name} ${statSync(join(folder, name)).mtimeMs}\n`);
  }
  return hash.digest('hex').slice(0, 16);
}
