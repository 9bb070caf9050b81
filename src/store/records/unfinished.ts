import type { RemoteFile } from '../../model/remote-file.ts';
import type { RepoRef } from '../../model/repo.ts';
import type { HeldFile, UnfinishedRevision } from '../held-revision.ts';
import { WrittenParts } from '../parts/written-parts.ts';
import { readTransferNow, type TransferPaths, type TransferRecord } from './transfer-record.ts';

/** Where a store keeps what a run fetches. */
interface UnfinishedPlace {
  /** The name by which others find it. */
  readonly repo: RepoRef;
  readonly paths: TransferPaths;
  /** Absolute path of the directory with the unfinished files. */
  readonly parts: string;
  readonly look: (file: RemoteFile) => HeldFile | undefined;
}

/** The revision that a run has begun to fetch. */
export function unfinishedRevision(
  record: TransferRecord,
  { repo, paths, parts: directory, look }: UnfinishedPlace,
): UnfinishedRevision {
  const { node, commit, files } = record;
  const parts = new WrittenParts(directory, { repo: record.repo, id: commit });
  return {
    repo,
    names: [],
    commit,
    recordedMs: 0,
    files: new Map(files.map((file) => [file.path, file])),
    look,
    node,
    now: () => readTransferNow(paths.now, node),
    written: (wanted) => parts.written(wanted),
    openPart: (file, range) => parts.open(file, range),
  };
}
