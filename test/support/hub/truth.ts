import { type Content, wholeContent } from './content/content.ts';
import { gitSha1, sha256 } from './content/digest.ts';
import type { Repository } from './repositories/repository.ts';

/** A file as it has to stand on the disk in the end. */
export interface TruthFile {
  readonly path: string;
  readonly size: number;
  readonly storage: 'git' | 'lfs' | 'xet';
  readonly sha256: string;
  readonly gitSha1: string;
  readonly content: Content;
  bytes(): Promise<Buffer>;
}

/** Every file of a revision, sorted by path. Big contents are hashed here, once per process. */
export async function truthOf(repository: Repository, revision: string): Promise<TruthFile[]> {
  const files = [...repository.commitOf(revision).files.values()];
  const truth: TruthFile[] = [];
  for (const { path, content, storage } of files) {
    truth.push({
      path,
      size: content.size,
      storage,
      sha256: await sha256(content),
      gitSha1: await gitSha1(content),
      content,
      bytes: () => wholeContent(content),
    });
  }
  return truth.sort((left, right) => (left.path < right.path ? -1 : 1));
}
