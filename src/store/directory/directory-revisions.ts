import { statSync } from 'node:fs';
import { isSameRepo, type RepoRef } from '../../model/repo.ts';
import { type HeldRevision, type HeldRevisions, lookAt } from '../held-revision.ts';
import { type Manifest, manifestFiles } from '../records/manifest.ts';
import { DirectoryRecords } from './directory-records.ts';

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
    return manifest === undefined ? [] : [manifest.repo];
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
