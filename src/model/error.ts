/**
 * Every failure that `fetch` can name. A code says what happened, a side says whose it is, and the
 * texts are for people only: nothing in the program decides by reading a message.
 */
export type ErrorCode =
  | 'USAGE'
  | 'NOT_FOUND'
  | 'ACCESS'
  | 'NETWORK'
  | 'INTEGRITY'
  | 'DISK'
  | 'LOCKED'
  | 'ABORTED'
  | 'BUG';

/** Whose failure it is: the server's or the way to it, the disk's, the caller's, or ours. */
export type ErrorSide = 'source' | 'store' | 'usage' | 'self';

/**
 * Why a host refuses the bytes of a file, as far as its answer tells: the address is no longer valid, is
 * valid for another range only, or is signed wrongly; ranges are not served; a page for people stands in the
 * way; or something else.
 */
export type RefusalKind = 'expired' | 'bound' | 'signature' | 'no-ranges' | 'page' | 'other';

export interface FetchErrorOptions {
  readonly hint?: string | undefined;
  readonly cause?: unknown;
  /** Whether the same attempt may succeed later. Only failures of the source can. */
  readonly retryable?: boolean;
  /** How long the server asked us to wait before the next attempt, in milliseconds. */
  readonly retryAfterMs?: number | undefined;
  /** The HTTP status that led here, where there was one. */
  readonly status?: number | undefined;
  /** Set where a host of file bytes refused to send them. */
  readonly refusal?: RefusalKind | undefined;
  /** No server was reached at all: no network, no such name, nobody who listens. */
  readonly unreached?: boolean;
}

const SIDES: Record<ErrorCode, ErrorSide> = {
  USAGE: 'usage',
  NOT_FOUND: 'source',
  ACCESS: 'source',
  NETWORK: 'source',
  INTEGRITY: 'source',
  DISK: 'store',
  LOCKED: 'store',
  ABORTED: 'usage',
  BUG: 'self',
};

const BUG_HINT = 'This is a bug in fetch. Run the same command with --verbose and report what it prints.';

/** What every function of this package rejects with, or throws. Decide by `code`: `message` and `hint` are for people. */
export class FetchError extends Error {
  override readonly name = 'FetchError';
  readonly code: ErrorCode;
  readonly side: ErrorSide;
  readonly hint: string | undefined;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly status: number | undefined;
  readonly refusal: RefusalKind | undefined;
  readonly unreached: boolean;

  constructor(code: ErrorCode, message: string, options: FetchErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.side = SIDES[code];
    this.hint = options.hint ?? (code === 'BUG' ? BUG_HINT : undefined);
    this.retryable = options.retryable ?? false;
    this.retryAfterMs = options.retryAfterMs;
    this.status = options.status;
    this.refusal = options.refusal;
    this.unreached = options.unreached ?? false;
  }
}

/** Wraps whatever was thrown, so that callers deal with one kind of error only. */
export function toFetchError(thrown: unknown): FetchError {
  if (thrown instanceof FetchError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new FetchError('BUG', message, { cause: thrown });
}
