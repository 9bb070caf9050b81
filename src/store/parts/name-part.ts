import { type BigIntStats, fstatSync, lstatSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { FetchError } from '../../model/error.ts';
import { lacksDescriptor } from '../../system/descriptor-shortage.ts';
import { ensureDirectory } from '../../system/disk/make-directory.ts';
import type { FinalPlace } from '../paths/final-place.ts';
import { findPathConflicts } from '../paths/path-conflicts.ts';
import { stampOf } from '../records/stamp.ts';

/** A small file that is written once the part has its name. It is optional: it is left out where its name is impossible or descriptors are short. */
export interface Companion {
  /** Absolute path of a directory, and the one below it, with `/`, that must be reached without a link. */
  readonly root: string;
  readonly around: string;
  /** Absolute. */
  readonly path: string;
  readonly text: string;
}

/** A part whose content is durable. All of it can cross threads. */
export interface FinishedPart {
  readonly part: string;
  readonly final: string;
  /** Bytes. */
  readonly size: number;
  readonly descriptor: number;
  readonly companion: Companion | undefined;
}

/**
 * Gives a part its final name. Returns the stamp of the file under that name; undefined if it changed meanwhile. `close`
 * closes the descriptor, before the rename. Blocks for the time of some calls to the file system.
 */
export async function namePart(
  { part, final, size, descriptor, companion }: FinishedPart,
  place: FinalPlace,
  close: () => void,
): Promise<string | undefined> {
  const hashed = mustBeWhatWasHashed(part, descriptor, size);
  close();
  place.move(part, final);
  const stamp = stampOfMoved(hashed, final);
  if (companion !== undefined) await writeCompanion(companion);
  return stamp;
}

/** Another run that did not see our lock may have put its own, unverified part there. */
function mustBeWhatWasHashed(part: string, descriptor: number, size: number): BigIntStats {
  const own = fstatSync(descriptor, { bigint: true });
  const named = lstatSync(part, { bigint: true, throwIfNoEntry: false });
  if (named?.ino === own.ino && named.dev === own.dev && own.size === BigInt(size)) return own;
  throw new FetchError('DISK', `${part} was changed by another program`, {
    hint: 'Nothing else may work in this directory meanwhile. Run the same command again.',
  });
}

/** A rename changes only the ctime of the inode. */
function stampOfMoved(hashed: BigIntStats, final: string): string | undefined {
  const named = lstatSync(final, { bigint: true, throwIfNoEntry: false });
  const same = named?.ino === hashed.ino && named.size === hashed.size && named.mtimeNs === hashed.mtimeNs;
  return same ? stampOf(named) : undefined;
}

/** Errors for a companion whose name is impossible: too long, or in a repository with both `x` and `x.metadata/y`. */
const DO_WITHOUT = new Set(['ENAMETOOLONG', 'ENOTDIR', 'EISDIR', 'EEXIST', 'EPERM']);

/** Call it after the file has its final name. */
export async function writeCompanion({ root, around, path, text }: Companion): Promise<void> {
  if (findPathConflicts(root, [], [around]).length > 0) return;
  try {
    await replace(path, text);
  } catch (error) {
    const isImpossible = DO_WITHOUT.has((error as NodeJS.ErrnoException).code ?? '');
    if (!isImpossible && !lacksDescriptor(error)) throw error;
  }
}

/** Replaces the file instead of writing into it: it may be a link. */
async function replace(target: string, text: string): Promise<void> {
  try {
    writeFileSync(target, text, { flag: 'wx' });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') unlinkSync(target);
    else if (code === 'ENOENT') await ensureDirectory(dirname(target));
    else throw error;
    writeFileSync(target, text, { flag: 'wx' });
  }
}
