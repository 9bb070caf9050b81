import type { Digest } from './digest.ts';
import type { RepoRef } from './repo.ts';

/** A difference between a directory and its expected content. Sizes are bytes; names may come from a server. */
export type Finding =
  | { readonly kind: 'missing'; readonly path: string; readonly size: number }
  | {
      readonly kind: 'changed';
      readonly path: string;
      readonly why: 'size' | 'content';
      readonly expected: { readonly size: number; readonly digest: Digest | undefined };
      /** `hex` in the algorithm of the expected digest; undefined if the content was not read. */
      readonly found: { readonly size: number; readonly hex: string | undefined };
    }
  | { readonly kind: 'extra'; readonly path: string; readonly size: number };

/** The result of comparing a directory with a revision. */
export interface CheckReport {
  /** Absolute path. */
  readonly directory: string;
  /** Address of the hub or registry of the files. */
  readonly endpoint: string;
  /** The repository that it was compared with. */
  readonly repo: RepoRef;
  /** As it was requested. */
  readonly revision: string;
  /** The id of the revision: 40 lower-case hex digits on the Hub, `sha256:…` in a registry. */
  readonly commit: string;
  /** Only files that changed since they were hashed were read. */
  readonly quick: boolean;
  /** Number of expected files. */
  readonly files: number;
  /** Bytes of all expected files. */
  readonly bytes: number;
  /** Empty if the directory is right. Sorted by path, extra files last. */
  readonly findings: readonly Finding[];
}
