import type { Digest } from './digest.ts';
import type { RepoRef } from './repo.ts';

/** A difference between a directory and what it should be. Sizes are bytes; names may come from a server. */
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
  /** Address of the hub that the files came from. */
  readonly endpoint: string;
  /** What it was compared with. */
  readonly repo: RepoRef;
  /** As it was asked for. */
  readonly revision: string;
  /** 40 lower-case hex digits. */
  readonly commit: string;
  /** Only files that were changed since they were hashed were read. */
  readonly quick: boolean;
  /** Of the files that should be there. */
  readonly files: number;
  /** Of all files that should be there. */
  readonly bytes: number;
  /** Empty if the directory is right. Sorted by path, extra files last. */
  readonly findings: readonly Finding[];
}
