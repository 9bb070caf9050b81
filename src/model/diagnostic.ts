import type { ErrorCode } from './error.ts';

/** The checks of `fetch doctor`, in their order. */
export const CHECK_NAMES = [
  'program',
  'settings',
  'proxy',
  'names',
  'connection',
  'certificate',
  'clock',
  'token',
  'limits',
  'repository',
  'location',
  'resolve',
  'binding',
  'ranges',
  'renewal',
  'first-byte',
  'speed',
  'connections',
  'addresses',
  'content',
  'chunks',
  'directory',
  'space',
  'lock',
] as const;

export type CheckName = (typeof CHECK_NAMES)[number];

/** The width of the longest name, in columns. */
export const NAME_COLUMNS: number = Math.max(...CHECK_NAMES.map((name) => name.length));

/**
 * The result of one check. The texts are for people and safe to paste into a bug report: no token, no signed URL, no
 * password of a proxy. They may contain names from a server: pass them through `printable` before printing.
 */
export interface Check {
  readonly name: CheckName;
  /** `skipped` if an earlier check failed, or if there is nothing to check. */
  readonly state: 'ok' | 'warning' | 'failed' | 'skipped';
  readonly message: string;
  /** Further lines: one for each thing that was measured. */
  readonly details?: readonly string[] | undefined;
  /** What to do about it. */
  readonly hint?: string | undefined;
  /** Of a failed check: the code with which a download would fail. */
  readonly code?: ErrorCode | undefined;
}
