import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { FetchError } from '../../model/error.ts';
import type { RepoRef } from '../../model/repo.ts';
import { onDiskSync } from '../../system/disk/disk-error.ts';
import { localPath, nameProblem } from '../paths/safe-path.ts';
import type { TransferPaths } from '../records/transfer-record.ts';

/** The lock directory of the cache: `hf` and @huggingface/hub report every other directory that is not a repository. */
const LOCKS_DIRECTORY = '.locks';
export const STATE_DIRECTORY: string = `${LOCKS_DIRECTORY}/fetch`;

/** Of the names of records of runs, in the state of a repository. */
export const TRANSFER_PREFIX = 'transfer-';

/** `models--owner--name`: the directory of a repository in the cache. */
export function repoDirectoryName({ type, id }: RepoRef): string {
  return [`${type}s`, ...id.split('/')].join('--');
}

/** Paths of one repository in a central cache. */
export class CachePaths {
  readonly cache: string;
  /** Directory of the repository. */
  readonly repo: string;
  /** Our own state: lock, parts, manifests. Relative to `stateRoot`, with `/`. */
  readonly statePath: string;
  readonly stateRoot: string;

  constructor(cache: string, repo: RepoRef) {
    const name = repoDirectoryName(repo);
    const problem = nameProblem(name, 'posix') ?? (name.includes('/') ? 'it contains "/"' : undefined);
    if (problem !== undefined) {
      throw new FetchError('DISK', `${JSON.stringify(name)} cannot be a directory of the cache: ${problem}`, {
        hint: 'Use --local-dir for this repository.',
      });
    }
    this.cache = cache;
    this.repo = join(cache, name);
    // If the repository is a link to another disk, the parts must be on that disk too.
    const found = onDiskSync(this.repo, () => lstatSync(this.repo, { throwIfNoEntry: false }));
    const moved = found?.isSymbolicLink() === true;
    this.stateRoot = moved ? this.repo : cache;
    this.statePath = moved ? '.fetch' : `${STATE_DIRECTORY}/${name}`;
  }

  get blobs(): string {
    return join(this.repo, 'blobs');
  }

  blob(name: string): string {
    return join(this.blobs, name);
  }

  get refs(): string {
    return join(this.repo, 'refs');
  }

  /** The name of a revision is a path below `refs`. Throws DISK for one that leads out of it. */
  ref(revision: string): string {
    return localPath(this.refs, revision);
  }

  get snapshots(): string {
    return join(this.repo, 'snapshots');
  }

  snapshot(commit: string): string {
    return join(this.snapshots, commit);
  }

  tree(commit: string): string {
    return join(this.repo, 'trees', `${commit}.json`);
  }

  get state(): string {
    return join(this.stateRoot, ...this.statePath.split('/'));
  }

  get parts(): string {
    return join(this.state, 'parts');
  }

  get lock(): string {
    return join(this.state, 'lock');
  }

  /** What a run that is fetching a commit records. */
  transfer(commit: string): TransferPaths {
    const stem = join(this.state, `${TRANSFER_PREFIX}${commit}`);
    return { record: `${stem}.json`, now: `${stem}.now` };
  }

  manifest(commit: string): string {
    return join(this.state, 'manifests', `${commit}.json`);
  }
}
