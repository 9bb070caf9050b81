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

/** What a directory was compared with, and what came of it. */
export interface CheckReport {
  readonly directory: string;
  readonly endpoint: string;
  readonly repo: RepoRef;
  readonly revision: string;
  readonly commit: string;
  /** Only what was touched since we hashed it was read. */
  readonly quick: boolean;
  /** Of what should be there. */
  readonly files: number;
  readonly bytes: number;
  /** Empty if everything is as it should be. In the order of the paths, extra files last. */
  readonly findings: readonly Finding[];
}
