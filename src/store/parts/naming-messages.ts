import { type ErrorCode, FetchError } from '../../model/error.ts';
import type { FinishedPart } from './name-part.ts';

/** To the naming worker: makes the content durable, then gives the part its name. `id` names the request. */
export interface NamingCommand {
  readonly id: number;
  readonly part: FinishedPart;
}

/** From the naming worker. */
export type NamingReply =
  | { readonly kind: 'named'; readonly id: number; readonly stamp: string | undefined }
  /** `isClosed`: the descriptor is closed. */
  | { readonly kind: 'failed'; readonly id: number; readonly isClosed: boolean; readonly error: NamingError }
  /** For the user. */
  | { readonly kind: 'note'; readonly message: string };

/** An error as it crosses threads: classes and codes do not. */
export interface NamingError {
  readonly message: string;
  /** Of the system, or of a FetchError, which alone has a hint. */
  readonly code: string | undefined;
  readonly errno: number | undefined;
  readonly hint: string | undefined;
}

export function toNamingError(error: unknown): NamingError {
  const { message, code, errno, hint } = error as NodeJS.ErrnoException & { hint?: string };
  return { message: message ?? String(error), code, errno, hint };
}

export function fromNamingError({ message, code, errno, hint }: NamingError): Error {
  if (hint !== undefined) return new FetchError(code as ErrorCode, message, { hint });
  return Object.assign(new Error(message), { code, errno });
}
