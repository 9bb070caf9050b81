import { statSync } from 'node:fs';
import { isSameRepo, type RepoRef } from '../../model/repo.ts';
import {
  type HeldRevision,
  type HeldRevisions,
  lookAt,
  lookForNew,
  type UnfinishedRevision,
} from '../held-revision.ts';
import { type Manifest, manifestFiles } from '../records/manifest.ts';
import { readTransfer } from '../records/transfer-record.ts';
import { unfinishedRevision } from '../records/unfinished.ts';
import { DirectoryRecords } from './directory-records.ts';
import { inside, PARTS_DIRECTORY } from './layout.ts';

/** What a model directory holds: the revision of its manifest. */
export class DirectoryRevisions implements HeldRevisions {
  readonly root: string;
  readonly #records: DirectoryRecords;

  constructor(directory: string) {
    this.root = directory;
    this.#records = new DirectoryRecords(directory);
  }

  repos(): readonly RepoRef[] {
    const manifest = this.#records.current();
    const begun = readTransfer(this.#records.transferPaths.record);
    return [manifest, begun].flatMap((record) => (record === undefined ? [] : [record.repo]));
  }

  unfinished(repo: RepoRef): readonly UnfinishedRevision[] {
    const paths = this.#records.transferPaths;
    const record = readTransfer(paths.record);
    if (record === undefined || !isSameRepo(record.repo, repo)) return [];
    const hashes = this.#records.hashes();
    return [
      unfinishedRevision(record, {
        repo: record.repo,
        paths,
        parts: inside(this.root, PARTS_DIRECTORY),
        look: (file) => lookForNew(file, { root: this.root, name: file.path, hashes }),
      }),
    ];
  }

  of(repo: RepoRef): readonly HeldRevision[] {
    const manifest = this.#records.current();
    return manifest === undefined || !isSameRepo(manifest.repo, repo) ? [] : [this.#revision(manifest)];
  }

  #revision(manifest: Manifest): HeldRevision {
    const { repo, revision, commit } = manifest;
    const entries = manifestFiles(manifest);
    const { files, complete } = this.#records.listing(commit);
    const hashes = this.#records.hashes();
    return {
      repo,
      names: [revision],
      commit,
      recordedMs: statSync(this.#records.manifestPath, { throwIfNoEntry: false })?.mtimeMs ?? 0,
      files: complete ? new Map(files.map((file) => [file.path, entries.get(file.path) ?? file])) : entries,
      look: (file) =>
        entries.has(file.path) ? lookAt(file, { root: this.root, name: file.path, hashes }) : undefined,
    };
  }
}
