import type { ContentDigests } from '../model/digest.ts';

/** To a checking thread: read a whole file. `id` names the file until its `done` or `failed`. */
export interface CheckCommand {
  readonly id: number;
  /** Absolute. */
  readonly path: string;
  /** Bytes; the file was just seen to have as many. */
  readonly size: number;
  /** Whether the git blob id is wanted as well. */
  readonly git: boolean;
}

/** From a checking thread. */
export type CheckReply =
  | { readonly id: number; readonly kind: 'read'; readonly bytes: number }
  | { readonly id: number; readonly kind: 'done'; readonly digests: ContentDigests }
  | { readonly id: number; readonly kind: 'failed'; readonly message: string };
