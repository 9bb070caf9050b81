import { join } from 'node:path';
import { type Digest, digestOfOid } from '../../model/digest.ts';
import { readManifest } from '../records/manifest.ts';
import type { CachePaths } from './cache-paths.ts';
import type { CachedRevision } from './scan-cache.ts';

/** A content of the cache, and what it must hash to. */
export interface CachedContent {
  /** Path of the blob, or of the file in the snapshot if there is no blob; relative to the repository's directory. */
  readonly name: string;
  /** Absolute. */
  readonly path: string;
  readonly size: number;
  /** Undefined where neither a name nor a record says it. */
  readonly digest: Digest | undefined;
  /** Files of snapshots that have this content, as `commit/path`. */
  readonly used: readonly string[];
}

export interface CachedContents {
  readonly contents: readonly CachedContent[];
  /** Broken links of snapshots, relative to the repository's directory. */
  readonly broken: readonly string[];
}

/** Every content of these revisions, once. */
export function cachedContents(places: CachePaths, revisions: readonly CachedRevision[]): CachedContents {
  const contents = new Map<string, CachedContent>();
  for (const { commit, files, path: snapshot } of revisions) {
    const manifest = readManifest(places.manifest(commit));
    const recorded = new Map(manifest?.files.map((entry) => [entry.path, entry.sha256]));
    for (const { path, size, blob } of files) {
      const name = blob === undefined ? `snapshots/${commit}/${path}` : `blobs/${blob}`;
      const before = contents.get(name);
      const used = [...(before?.used ?? []), `${commit}/${path}`];
      const sha256 = recorded.get(path);
      const digest =
        (blob === undefined ? undefined : digestOfOid(blob)) ??
        (sha256 === undefined ? undefined : { algorithm: 'sha256', hex: sha256 });
      const absolute = blob === undefined ? join(snapshot, ...path.split('/')) : places.blob(blob);
      contents.set(name, { name, path: absolute, size, digest: before?.digest ?? digest, used });
    }
  }
  const broken = revisions.flatMap((one) => one.broken.map((path) => `snapshots/${one.commit}/${path}`));
  return { contents: [...contents.values()], broken };
}
