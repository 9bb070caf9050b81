import { chunkFile } from '../../hash/chunk-file.ts';
import type { ChunkRun, XetTerm } from '../../model/chunks.ts';
import { FetchError } from '../../model/error.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import { type LocalVersion, localRanges, runsOf, type Update } from '../../plan/update.ts';
import type { LocalCopyRoots } from '../../store/local-copies.ts';
import { findOlderVersions, type OlderVersion } from '../../store/older-versions.ts';

/** What is needed to find out which parts of files other versions on this machine have. */
export interface UpdateContext {
  readonly roots: LocalCopyRoots;
  /** The chunks of a file by its Xet hash. Rejects if the content store does not say. */
  readonly terms: (file: RemoteFile, signal: AbortSignal) => Promise<readonly XetTerm[]>;
  /** The Xet hash that a file had in a revision; undefined if it is unknown. */
  readonly hashAt: (commit: string, path: string, signal: AbortSignal) => Promise<string | undefined>;
  /** Receives the bytes of local files that are read to find their chunks. */
  readonly onRead?: (bytes: number) => void;
  /** False for a dry run: then nothing is written. */
  readonly mayWrite: boolean;
}

/**
 * The parts of these files that other versions of them have, by path. Files without a Xet hash, and those that no other
 * version helps, are left out. What cannot be found out costs bytes on the wire and fails nothing; an abort rejects.
 */
export async function findUpdates(
  files: readonly RemoteFile[],
  context: UpdateContext,
  signal: AbortSignal,
): Promise<Map<string, Update>> {
  const updates = new Map<string, Update>();
  const wanted = files.filter(({ size, pointer }) => size > 0 && pointer?.xetHash !== undefined);
  if (wanted.length === 0) return updates;
  const found = await findOlderVersions(context.roots, wanted, signal);
  for (const file of wanted) {
    const older = found.get(file.path);
    if (older === undefined) continue;
    const update = await unlessRefused(() => updateOf(file, older, context, signal), signal);
    if (update !== undefined && update.ranges.length > 0) updates.set(file.path, update);
  }
  return updates;
}

async function updateOf(
  file: RemoteFile,
  older: readonly OlderVersion[],
  context: UpdateContext,
  signal: AbortSignal,
): Promise<Update> {
  const terms = await context.terms(file, signal);
  const xorbs = new Set(terms.map(({ xorb }) => xorb));
  const versions: LocalVersion[] = [];
  for (const version of older) {
    const runs = await unlessRefused(() => chunksOf(version, file, xorbs, context, signal), signal);
    if (runs !== undefined) versions.push({ path: version.path, runs });
  }
  return { ranges: localRanges(terms, versions), terms, versions };
}

/** Undefined where the file shares nothing, or is not what the records say. */
async function chunksOf(
  version: OlderVersion,
  file: RemoteFile,
  xorbs: ReadonlySet<string>,
  context: UpdateContext,
  signal: AbortSignal,
): Promise<readonly ChunkRun[] | undefined> {
  const { path, size, commit, name, unchanged, chunks } = version;
  const xetHash = version.xetHash ?? (await context.hashAt(commit, name, signal));
  // With the same hash it is the same content, and was looked for by its digest.
  if (xetHash === undefined || xetHash === file.pointer?.xetHash) return undefined;
  const record = unchanged ? chunks.find(xetHash) : undefined;
  if (record?.size === size) return record.runs;
  const pointer = { oid: '', xetHash };
  const terms = await context.terms({ path: name, size, digest: undefined, pointer }, signal);
  if (!terms.some(({ xorb }) => xorbs.has(xorb))) return undefined;
  const found = await chunkFile({ path, size }, signal, context.onRead);
  // Chunks of a changed file, or of an uploader that found them in another way: nothing is known of them.
  if (found.xetHash !== xetHash) return undefined;
  const runs = runsOf(terms, found.lengths);
  if (runs !== undefined && context.mayWrite) await chunks.add({ xetHash, size, runs });
  return runs;
}

/** Undefined where it fails for a reason that a download without updates does not share. */
async function unlessRefused<T>(action: () => Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  try {
    return await action();
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof FetchError && error.code !== 'BUG') return undefined;
    throw error;
  }
}
