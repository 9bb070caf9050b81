import { readFileSync } from 'node:fs';
import type { RepoType } from '../../model/repo.ts';
import type { Flush } from '../../system/disk/flush.ts';
import { writeAtomically } from '../../system/disk/write-atomically.ts';

export interface ManifestFile {
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
  /** The git blob sha1 or the LFS sha256, as the Hub names the content. */
  readonly oid: string;
}

/** What a directory holds. The format of cli.md section 7, also that of a lock file. */
export interface Manifest {
  readonly version: 1;
  readonly endpoint: string;
  readonly repo: { readonly type: RepoType; readonly id: string };
  readonly revision: string;
  readonly commit: string;
  readonly files: readonly ManifestFile[];
}

/** The manifest at this path; undefined if there is none, or one that this version cannot read. */
export function readManifest(path: string): Manifest | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
  const manifest = parsed as Partial<Manifest> | null;
  const usable =
    manifest !== null &&
    typeof manifest === 'object' &&
    manifest.version === 1 &&
    typeof manifest.endpoint === 'string' &&
    typeof manifest.repo?.type === 'string' &&
    typeof manifest.repo.id === 'string' &&
    typeof manifest.revision === 'string' &&
    typeof manifest.commit === 'string' &&
    Array.isArray(manifest.files) &&
    manifest.files.every(isManifestFile);
  return usable ? (manifest as Manifest) : undefined;
}

function isManifestFile(file: unknown): boolean {
  if (file === null || typeof file !== 'object') return false;
  const { path, size, sha256, oid } = file as Record<string, unknown>;
  return (
    typeof path === 'string' &&
    Number.isSafeInteger(size) &&
    typeof sha256 === 'string' &&
    /^[0-9a-f]{64}$/.test(sha256) &&
    typeof oid === 'string'
  );
}

/** Sorted by path, two spaces, a newline at the end: made for diffs. */
export async function writeManifest(path: string, manifest: Manifest, flush?: Flush): Promise<void> {
  const { version, endpoint, repo, revision, commit } = manifest;
  const files = [...manifest.files]
    .sort((left, right) => (left.path < right.path ? -1 : left.path > right.path ? 1 : 0))
    .map(({ path: name, size, sha256, oid }) => ({ path: name, size, sha256, oid }));
  const document = { version, endpoint, repo, revision, commit, files };
  await writeAtomically(
    path,
    `${JSON.stringify(document, undefined, 2)}\n`,
    flush === undefined ? {} : { flush },
  );
}
