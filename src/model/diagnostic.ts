import type { ErrorCode } from './error.ts';

/** What `fetch doctor` looks at, in this order. */
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
  'directory',
  'space',
  'lock',
] as const;

export type CheckName = (typeof CHECK_NAMES)[number];

/** The longest of the names, in columns. */
export const NAME_COLUMNS: number = Math.max(...CHECK_NAMES.map((name) => name.length));

/**
 * What one look has shown. The texts are for people, and meant to be pasted into a bug report: no token, no signed URL,
 * no password of a proxy. They may hold names that came from a server: not safe to print as they are.
 */
export interface Check {
  readonly name: CheckName;
  /** `skipped` where something before it failed, or nothing was named to look at. */
  readonly state: 'ok' | 'warning' | 'failed' | 'skipped';
  readonly message: string;
  /** Further lines: one for each thing that was measured. */
  readonly details?: readonly string[] | undefined;
  /** What to do about it. */
  readonly hint?: string | undefined;
  /** Of a failed check: what a download would end with. */
  readonly code?: ErrorCode | undefined;
}
