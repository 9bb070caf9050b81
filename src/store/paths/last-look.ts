import { lstatSync, statSync } from 'node:fs';
import { FetchError } from '../../model/error.ts';
import { inSlices } from '../in-slices.ts';

/** A file that is about to be written down as being there. */
export interface FinishedFile {
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
}

/**
 * Looks at every file once more before it is written down: whatever happened to names and directories during the run, each
 * must be a file of its own and of its size. DISK otherwise. `final` says where a file stands.
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
        // What a link leads to is the content; that it is a name of its own the link itself tells.
        const content = found?.isSymbolicLink() === true ? statSync(path, { throwIfNoEntry: false }) : found;
        if (found === undefined || content?.isFile() !== true || Number(content.size) !== file.size) {
          throw changed(path);
        }
        const inode = `${found.dev}-${found.ino}`;
        const other = seen.get(inode);
        seen.set(inode, file);
        // Some file systems do not number their files, and there are programs that link files of one content.
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
