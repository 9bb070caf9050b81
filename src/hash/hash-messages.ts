import type { ContentDigests } from '../model/digest.ts';

/** To the hash thread. `id` names a file in flight. */
export type HashCommand =
  | {
      readonly op: 'open';
      readonly id: number;
      readonly path: string;
      readonly size: number;
      readonly git: boolean;
    }
  | { readonly op: 'advance'; readonly id: number; readonly end: number }
  | { readonly op: 'restart'; readonly id: number }
  | { readonly op: 'finish'; readonly id: number; readonly request: number }
  | { readonly op: 'close'; readonly id: number };

/** From the hash thread: one for every `finish`. */
export type HashReply =
  | { readonly request: number; readonly digests: ContentDigests }
  | { readonly request: number; readonly error: string };
