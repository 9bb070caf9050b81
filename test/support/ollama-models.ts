import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BLOCK_BYTES } from '../../src/model/flat-ranges.ts';
import { blobOf, type PushedModel } from './registry/model.ts';

/** What a store of Ollama must hold of these models, as ollama-registry.md section 8 describes it: paths and bytes. */
export async function expectedStore(
  models: Readonly<Record<string, PushedModel>>,
): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for (const [name, model] of Object.entries(models)) {
    files.set(`manifests/${name}`, model.manifest);
    for (const digest of model.blobs.keys())
      files.set(`blobs/${digest.replace(':', '-')}`, await blobOf(model, digest));
  }
  return files;
}

/** Every difference between a store and what it must hold; our own state in `.fetch` does not count. */
export function storeDifferences(store: string, expected: ReadonlyMap<string, Buffer>): string[] {
  const found = new Set(filesIn(store).filter((path) => !path.startsWith('.fetch/')));
  const differences = [...found].filter((path) => !expected.has(path)).map((path) => `extra ${path}`);
  for (const [path, content] of expected) {
    if (!found.has(path)) differences.push(`missing ${path}`);
    else if (!readFileSync(join(store, path)).equals(content)) differences.push(`other bytes in ${path}`);
  }
  return differences;
}

/** The files below a directory, with `/`; empty if it is not there. */
export function filesIn(directory: string): string[] {
  try {
    return readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
      .map((path) => path.replaceAll('\\', '/'));
  } catch {
    return [];
  }
}

/** Bytes of unfinished files for which a journal below a directory vouches: a killed run has lost no more. */
export function journaledBytes(directory: string): number {
  const journals = filesIn(directory).filter((path) => path.endsWith('.blocks'));
  return journals.reduce((sum, path) => sum + marksIn(join(directory, path)) * BLOCK_BYTES, 0);
}

/** Two lines of text, then one byte for each block. */
function marksIn(path: string): number {
  let journal: Buffer;
  try {
    journal = readFileSync(path);
  } catch {
    return 0;
  }
  const marks = journal.subarray(journal.indexOf(10, journal.indexOf(10) + 1) + 1);
  return marks.filter((mark) => mark !== 0).length;
}
