import { lstatSync, statSync } from 'node:fs';
import { FetchError } from '../../model/error.ts';
import { inSlices } from '../in-slices.ts';

/** A file that is about to be recorded. */
export interface FinishedFile {
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
}

/**
 * Checks every file again before it is recorded: each must be a separate file of the right size, whatever happened to names
 * and directories during the run. Throws DISK otherwise. `final` gives the path of a file.
 */
export async function lookOnceMore(
  files: readonly FinishedFile[],
  final: (path: string) => string,
  signal?: AbortSignal,
): Promise<void> {
  const seen = new Map<string, FinishedFile>();
  await inSlices(
    files,
    (slice) => {
      for (const file of slice) {
        const path = final(file.path);
        const found = lstatSync(path, { bigint: true, throwIfNoEntry: false });
        // The target of a link is the content; the link itself shows that the name is separate.
        const content = found?.isSymbolicLink() === true ? statSync(path, { throwIfNoEntry: false }) : found;
        if (found === undefined || content?.isFile() !== true || Number(content.size) !== file.size) {
          throw changed(path);
        }
        const inode = `${found.dev}-${found.ino}`;
        const other = seen.get(inode);
        seen.set(inode, file);
        // Some file systems have no inode numbers, and some programs hard-link files with the same content.
        if (other === undefined || found.ino === 0n || other.size !== file.size) continue;
        if (found.nlink === 1n || other.sha256 !== file.sha256) throw oneFile(other.path, file.path);
      }
    },
    signal,
  );
}

function changed(path: string): FetchError {
  return new FetchError('DISK', `${path} was changed or removed by another program during the run`, {
    hint: 'Nothing else may work in this directory meanwhile. Run the same command again.',
  });
}

function oneFile(one: string, other: string): FetchError {
  const names = `${JSON.stringify(one)} and ${JSON.stringify(other)}`;
  return new FetchError(
    'DISK',
    `${names} are the same file here: the file system cannot tell the two names apart`,
    {
      hint: 'Leave one of them out with --exclude, or use another file system, then run the same command again.',
    },
  );
}
