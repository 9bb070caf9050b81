/**
 * Every kind of failure. The code says what happened, the side says where the cause lies. Message and hint are for people
 * only: no code may depend on their text.
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

/** Where the cause lies: server or network, disk, caller, or this program. */
export type ErrorSide = 'source' | 'store' | 'usage' | 'self';

/**
 * Why a host refuses the bytes of a file, as far as its answer tells: the address has expired, is signed for another
 * range (`bound`), or has a bad signature; ranges are not served; a filter or login page answers; or another reason.
 */
export type RefusalKind = 'expired' | 'bound' | 'signature' | 'no-ranges' | 'page' | 'other';

export interface FetchErrorOptions {
  readonly hint?: string | undefined;
  readonly cause?: unknown;
  /** Whether the same attempt may succeed later. Only failures of the source can. */
  readonly retryable?: boolean;
  /** The wait before the next attempt that the server asked for, in milliseconds. */
  readonly retryAfterMs?: number | undefined;
  /** The HTTP status that caused it, if any. */
  readonly status?: number | undefined;
  /** Set if a host of file bytes refused to send them. */
  readonly refusal?: RefusalKind | undefined;
  /** No server was reached: no network, unknown name, or refused connection. */
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

/** Wrong usage: of the command line, a settings file or an option of the library. */
export function usage(message: string, hint: string): FetchError {
  return new FetchError('USAGE', message, { hint });
}

/** Wraps any thrown value in a FetchError; an unexpected one becomes a BUG. */
export function toFetchError(thrown: unknown): FetchError {
  if (thrown instanceof FetchError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new FetchError('BUG', message, { cause: thrown });
}
