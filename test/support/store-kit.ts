import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync, writeSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { ContentDigests } from '../../src/model/digest.ts';
import { FetchError } from '../../src/model/error.ts';
import type { Holding } from '../../src/model/plan.ts';
import type { RemoteFile } from '../../src/model/remote-file.ts';
import type { Revision } from '../../src/model/repo.ts';
import type { Publication, StagedFile, Store } from '../../src/store/store.ts';
import { type Clock, systemClock } from '../../src/system/clock.ts';
import type { ProcessContext } from '../../src/system/process-identity.ts';

export const never: AbortSignal = new AbortController().signal;

export const MIB: number = 1024 * 1024;

export const COMMIT_A: string = 'a'.repeat(40);
export const COMMIT_B: string = 'b'.repeat(40);

export function revision(commit: string = COMMIT_A, name = 'main'): Revision {
  return { repo: { type: 'model', id: 'owner/name' }, name, id: commit, gated: false };
}

/** Bytes that differ from place to place and from seed to seed, the same every time. */
export function bytes(length: number, seed = 1): Buffer {
  const block = Buffer.from(Array.from({ length: 997 }, (_, index) => (index * 31 + seed * 57) % 251));
  return Buffer.alloc(length, block);
}

export function sha256(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

export function gitSha1(content: Uint8Array): string {
  return createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
}

export function digestsOf(content: Uint8Array): ContentDigests {
  return { sha256: sha256(content), gitSha1: gitSha1(content) };
}

/** An entry of a listing: with a sha256 as large files have, a git blob id as small ones have, or neither. */
export function lfsFile(path: string, content: Uint8Array): RemoteFile {
  return { path, size: content.length, digest: { algorithm: 'sha256', hex: sha256(content) } };
}

export function gitFile(path: string, content: Uint8Array): RemoteFile {
  return { path, size: content.length, digest: { algorithm: 'git-sha1', hex: gitSha1(content) } };
}

export function unhashedFile(path: string, content: Uint8Array): RemoteFile {
  return { path, size: content.length, digest: undefined };
}

/** A listing entry where only the name matters. */
export function named(path: string): RemoteFile {
  return lfsFile(path, Buffer.from('x'));
}

export function lockContext(pid: number = process.pid, clock: Clock = systemClock): ProcessContext {
  return {
    owner: { pid, host: 'here', startedAt: `start of ${pid}` },
    processStart: (asked) => (asked === pid ? `start of ${pid}` : undefined),
    clock,
    random: Math.random,
  };
}

export async function write(
  staged: StagedFile,
  content: Buffer,
  start = 0,
  end: number = content.length,
): Promise<number> {
  writeSync(staged.descriptor, content, start, end - start, start);
  return staged.wrote({ start, end });
}

/** Brings a whole file as a run does. */
export async function bring(store: Store, file: RemoteFile, content: Buffer): Promise<void> {
  await using staged = await store.stage(file);
  if (content.length > 0) await write(staged, content);
  await staged.commit(digestsOf(content));
}

/** What a run brought of a revision that has these files in its listing. */
export function publication(
  of: Revision,
  files: readonly RemoteFile[],
  listing: readonly RemoteFile[],
  complete = true,
): Publication {
  return { revision: of, files, listing: { files: listing, complete: true }, complete };
}

/** A run from its beginning to its end, of a store that is not open yet: brings all of these, and publishes them. */
export async function finishRun(
  store: Store,
  contents: readonly (readonly [RemoteFile, Buffer])[],
  of: Revision = revision(),
): Promise<void> {
  await using opened = store;
  await opened.open();
  for (const [file, content] of contents) await bring(opened, file, content);
  const files = contents.map(([file]) => file);
  await opened.publish(publication(of, files, files));
}

/** What a store says that it has of one file. */
export async function holdingOf(store: Store, file: RemoteFile): Promise<Holding | undefined> {
  return (await store.survey([file], never)).holdings.get(file.path);
}

/** Everything below a directory: paths with what is there, for comparison. */
export function snapshot(directory: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const name = relative(directory, path);
    if (entry.isSymbolicLink()) found[name] = `link to ${readlinkSync(path)}`;
    else if (entry.isDirectory()) found[name] = 'directory';
    else found[name] = `${sha256(readFileSync(path))} ${lstatSync(path).mtimeMs}`;
  }
  return found;
}

export async function failureOf(work: Promise<unknown> | (() => unknown)): Promise<FetchError> {
  try {
    await (typeof work === 'function' ? work() : work);
  } catch (error) {
    if (error instanceof FetchError) return error;
    throw new Error('no FetchError', { cause: error });
  }
  throw new Error('nothing was thrown');
}
