import type { ContactedHost } from '../../../http/host-policy.ts';
import type { ByteRange } from '../../../model/byte-range.ts';
import type { ErrorCode, FetchErrorOptions, RefusalKind } from '../../../model/error.ts';
import { FetchError } from '../../../model/error.ts';
import type { TransferSettings } from '../../transfer-settings.ts';
import type { RangeJob } from '../transport.ts';
import type { JobReport, PackedReports, Written } from './packed-reports.ts';

/** What an I/O worker is started with. */
export interface TransportSetup {
  readonly settings: TransferSettings;
  readonly userAgent: string;
}

/** Messages to an I/O thread. `id` names a job. Descriptors are valid in every thread of the process. */
export type TransportCommand =
  | ({
      readonly op: 'bring';
      readonly id: number;
      readonly range: ByteRange;
    } & Omit<RangeJob, 'window'>)
  /** The window now ends earlier. */
  | { readonly op: 'narrow'; readonly id: number; readonly end: number }
  /** The reply to `whole`: the current window. */
  | { readonly op: 'widen'; readonly id: number; readonly range: ByteRange }
  | { readonly op: 'abort'; readonly id: number }
  /** New connections go to other addresses of their hosts. */
  | { readonly op: 'elsewhere' };

/** Messages from an I/O thread. */
export type TransportReply =
  | ({ readonly kind: 'wrote' } & JobReport)
  /** What many jobs wrote, in one message: each costs the main thread a wake-up. */
  | { readonly kind: 'reports'; readonly reports: PackedReports }
  | { readonly kind: 'whole'; readonly id: number }
  | { readonly kind: 'moved'; readonly id: number; readonly url: string }
  /** `last`: what was written since the last report. */
  | { readonly kind: 'done'; readonly id: number; readonly last: Written | undefined }
  | { readonly kind: 'failed'; readonly id: number; readonly error: PlainError }
  | { readonly kind: 'trace'; readonly message: string }
  /** A host is contacted for the first time by this thread. */
  | { readonly kind: 'contact'; readonly contact: ContactedHost };

/** An error in a form that can cross threads: class instances cannot. */
export interface PlainError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string | undefined;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly status: number | undefined;
  readonly refusal: RefusalKind | undefined;
  readonly stack: string | undefined;
}

export function toPlainError(error: FetchError): PlainError {
  const { code, message, hint, retryable, retryAfterMs, status, refusal } = error;
  const stack = error.cause instanceof Error ? error.cause.stack : error.stack;
  return { code, message, hint, retryable, retryAfterMs, status, refusal, stack };
}

export function fromPlainError(plain: PlainError): FetchError {
  const { code, message, stack } = plain;
  const cause = stack === undefined ? undefined : Object.assign(new Error(message), { stack });
  const options: FetchErrorOptions = { ...plain, cause };
  return new FetchError(code, message, options);
}
