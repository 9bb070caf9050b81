import { sha1Text } from '../content/digest.ts';
import { type Commit, makeCommit } from './commit.ts';
import type { HubFile } from './file.ts';

export type RepositoryType = 'model' | 'dataset' | 'space';

/** What a fixture says about a repository; files are listed per branch. */
export interface RepositoryDescription {
  readonly type?: RepositoryType;
  /** `OWNER/NAME`, or `NAME` alone. */
  readonly id: string;
  readonly branches: Readonly<Record<string, readonly HubFile[]>>;
  /** Tag to branch name. */
  readonly tags?: Readonly<Record<string, string>>;
  /** Number to files; reached as `refs/pr/N`. */
  readonly pullRequests?: Readonly<Record<string, readonly HubFile[]>>;
  /** Name to files; reached as `refs/convert/NAME`. */
  readonly converts?: Readonly<Record<string, readonly HubFile[]>>;
  /** Older names of this repository, answered with a redirect to the present one. */
  readonly formerly?: readonly string[];
  readonly gated?: false | 'auto' | 'manual';
  readonly private?: boolean;
  readonly disabled?: boolean;
}

export interface NamedCommit {
  readonly name: string;
  readonly ref: string;
  readonly commit: Commit;
}

export class Repository {
  readonly type: RepositoryType;
  readonly id: string;
  readonly formerly: readonly string[];
  /** 24 hex digits, the database id that the Hub shows as `_id`. */
  readonly objectId: string;
  gated: false | 'auto' | 'manual';
  private: boolean;
  disabled: boolean;
  readonly #commits = new Map<string, Commit>();
  /** Full reference name to commit, in the order of creation. */
  readonly #refs = new Map<string, Commit>();
  #sequence = 0;

  constructor(description: RepositoryDescription) {
    this.type = description.type ?? 'model';
    this.id = description.id;
    this.objectId = sha1Text(`${this.type} ${this.id}`).slice(0, 24);
    this.formerly = description.formerly ?? [];
    this.gated = description.gated ?? false;
    this.private = description.private ?? false;
    this.disabled = description.disabled ?? false;
    for (const [name, files] of Object.entries(description.branches)) this.setBranch(name, files);
    for (const [name, branch] of Object.entries(description.tags ?? {})) this.setTag(name, branch);
    for (const [number, files] of Object.entries(description.pullRequests ?? {})) {
      this.#point(`refs/pr/${number}`, files);
    }
    for (const [name, files] of Object.entries(description.converts ?? {})) {
      this.#point(`refs/convert/${name}`, files);
    }
  }

  /** Makes a new commit and moves the branch there; older commits stay reachable by their id. */
  setBranch(name: string, files: readonly HubFile[]): Commit {
    return this.#point(`refs/heads/${name}`, files);
  }

  /** As if a change of one file had been pushed. */
  changeFile(branch: string, path: string, change: (file: HubFile) => HubFile): Commit {
    const files = [...this.commitOf(branch).files.values()];
    if (!files.some((file) => file.path === path)) throw new Error(`${this.id}@${branch} has no ${path}`);
    return this.setBranch(
      branch,
      files.map((file) => (file.path === path ? change(file) : file)),
    );
  }

  deleteBranch(name: string): void {
    this.#refs.delete(`refs/heads/${name}`);
  }

  setTag(name: string, revision: string): void {
    this.#refs.set(`refs/tags/${name}`, this.commitOf(revision));
  }

  /** Branch, tag, `refs/…`, or commit id of 7 to 40 digits; undefined if there is none. */
  findCommit(revision: string): Commit | undefined {
    const name = revision === 'HEAD' ? 'main' : revision;
    const named =
      this.#refs.get(`refs/heads/${name}`) ?? this.#refs.get(`refs/tags/${name}`) ?? this.#refs.get(name);
    if (named !== undefined) return named;
    if (!/^[0-9a-f]{7,40}$/.test(name)) return undefined;
    const matches = [...this.#commits.values()].filter((commit) => commit.id.startsWith(name));
    return matches.length === 1 ? matches[0] : undefined;
  }

  commitOf(revision: string): Commit {
    const commit = this.findCommit(revision);
    if (commit === undefined) throw new Error(`${this.id} has no revision ${revision}`);
    return commit;
  }

  /** References below a prefix such as `refs/heads/`. */
  refs(prefix: string): NamedCommit[] {
    return [...this.#refs]
      .filter(([ref]) => ref.startsWith(prefix))
      .map(([ref, commit]) => ({ name: ref.slice(prefix.length), ref, commit }));
  }

  #point(ref: string, files: readonly HubFile[]): Commit {
    this.#sequence += 1;
    const commit = makeCommit(`${this.type} ${this.id}`, this.#sequence, files);
    this.#commits.set(commit.id, commit);
    this.#refs.set(ref, commit);
    return commit;
  }
}
