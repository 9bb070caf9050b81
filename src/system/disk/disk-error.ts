import { lstatSync, readlinkSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname } from 'node:path';
import { FetchError } from '../../model/error.ts';

const MEANINGS: Readonly<Record<string, { readonly text: string; readonly hint: string }>> = {
  ENOSPC: {
    text: 'no space is left on the disk',
    hint: 'Free some space, or use --local-dir on another disk. What was fetched is kept: the same command resumes.',
  },
  EDQUOT: {
    text: 'the disk quota is used up',
    hint: 'Free some space, or use --local-dir on another disk. What was fetched is kept: the same command resumes.',
  },
  EFBIG: {
    text: 'the file is too large for this file system or for the limit of this process',
    hint: 'Use --local-dir on a file system that holds large files (FAT32 ends at 4 GB), or raise `ulimit -f`.',
  },
  EACCES: { text: 'permission is denied', hint: 'Check who owns the directory, or use --local-dir.' },
  EPERM: {
    text: 'the operation is not permitted',
    hint: 'Check who owns the directory, or use --local-dir.',
  },
  EROFS: { text: 'the file system is read-only', hint: 'Use --local-dir on one that can be written.' },
  EIO: {
    text: 'the disk reports an error',
    hint: 'The disk or its connection may be failing: see what the system log says.',
  },
  ESTALE: {
    text: 'the file server has lost the file',
    hint: 'Mount the network drive again. What was fetched is kept: the same command resumes.',
  },
  ENOENT: {
    text: 'it has disappeared',
    hint: 'Another program may have removed it, or its directory. Run the same command again.',
  },
  ENOTDIR: { text: 'a file stands where a directory must be', hint: 'Move it away, or use --local-dir.' },
  EISDIR: { text: 'a directory stands where a file must be', hint: 'Move it away, or use --local-dir.' },
  EEXIST: { text: 'a file stands where a directory must be', hint: 'Move it away, or use --local-dir.' },
  EXDEV: {
    text: 'it lies on another file system than the directory .cache/fetch',
    hint: 'All of the directory must be on one file system. Use another --local-dir.',
  },
  ENAMETOOLONG: {
    text: 'the name is too long for this file system',
    hint: 'Use --local-dir with a shorter path.',
  },
  EMFILE: { text: 'too many files are open', hint: 'Raise `ulimit -n` or lower --connections.' },
  ENFILE: {
    text: 'too many files are open on this machine',
    hint: 'Other programs hold them: close some, or lower --connections.',
  },
  ELOOP: { text: 'a link stands in the way', hint: 'Remove the link, or use --local-dir.' },
};

const UNKNOWN_HINT =
  'Check the disk and who owns the directory, or use --local-dir. What was fetched is kept: the same command resumes.';

/** Turns a system error into a FetchError with a message and a hint. Returns other errors unchanged. */
export function diskError(thrown: unknown, path: string): unknown {
  const code = codeOf(thrown);
  if (thrown instanceof FetchError || typeof code !== 'string' || !/^E[A-Z0-9]+$/.test(code)) return thrown;
  const link = LINK_CODES.has(code) ? danglingLink(path) : undefined;
  if (link !== undefined) {
    return new FetchError('DISK', `${link.path} is a link to ${link.target}, which is not there`, {
      cause: thrown,
      hint: 'Make what it leads to, or remove the link, or use another --local-dir.',
    });
  }
  const meaning = Object.hasOwn(MEANINGS, code) ? MEANINGS[code] : undefined;
  return new FetchError('DISK', `${path}: ${meaning?.text ?? (thrown as Error).message}`, {
    cause: thrown,
    hint: meaning?.hint ?? UNKNOWN_HINT,
  });
}

/** The codes that a broken link to a directory leads to. */
const LINK_CODES: ReadonlySet<string> = new Set(['EEXIST', 'ENOTDIR', 'ENOENT']);

/** The first broken link among a path and its parents. */
function danglingLink(path: string): { readonly path: string; readonly target: string } | undefined {
  for (let place = path; ; place = dirname(place)) {
    try {
      if (statSync(place, { throwIfNoEntry: false }) !== undefined) return undefined;
      if (lstatSync(place, { throwIfNoEntry: false })?.isSymbolicLink() === true)
        return { path: place, target: readlinkSync(place) };
    } catch {
      return undefined;
    }
    if (dirname(place) === place) return undefined;
  }
}

/** Node has no name for some codes, such as that of an exhausted quota: it gives `UNKNOWN` or `Unknown system error -122`. */
function codeOf(thrown: unknown): string | undefined {
  const { code, errno } = (thrown ?? {}) as NodeJS.ErrnoException;
  const unnamed = typeof code === 'string' && /^UNKNOWN$|^Unknown system error/.test(code);
  if (!unnamed || errno === undefined) return code;
  return Object.entries(constants.errno).find(([, number]) => number === -errno)?.[0] ?? 'EUNKNOWN';
}

/** Runs a disk operation and rejects with `diskError`. */
export async function onDisk<T>(path: string, operation: () => Promise<T> | T): Promise<T> {
  try {
    return await operation();
  } catch (thrown) {
    throw diskError(thrown, path);
  }
}

/** Like `onDisk`, for a synchronous operation. */
export function onDiskSync<T>(path: string, operation: () => T): T {
  try {
    return operation();
  } catch (thrown) {
    throw diskError(thrown, path);
  }
}

/** Whether the error means that nothing may be written there. */
export function isReadOnlyError(thrown: unknown): boolean {
  const { cause, code } = (thrown ?? {}) as { cause?: unknown; code?: unknown };
  if (thrown instanceof FetchError) return code === 'DISK' && isReadOnlyError(cause);
  return ['EROFS', 'EACCES', 'EPERM'].includes(codeOf(thrown) ?? '');
}
