import type { Effect } from '../../support/hub/faults/effect.ts';
import type { Fault } from '../../support/hub/faults/script.ts';
import type { HubOptions } from '../../support/hub/hub.ts';

/** The kinds of request that a download consists of, in their order. */
export const COLUMNS = ['revision', 'refs', 'tree1', 'tree2', 'locate', 'small', 'range'] as const;
export type Column = (typeof COLUMNS)[number];

/** Requests that are met by a fault in this column. */
export const COLUMN_TARGETS: Readonly<Record<Column, Pick<Fault, 'on' | 'path' | 'after'>>> = {
  revision: { on: 'revision' },
  refs: { on: 'refs' },
  tree1: { on: 'tree' },
  tree2: { on: 'tree', after: 1 },
  locate: { on: 'resolve', path: 'model.safetensors' },
  small: { on: 'resolve-cache', path: 'config.json' },
  range: { on: 'cdn', path: 'model.safetensors' },
};

/** What must happen, and within which bounds. */
export type Expectation =
  | {
      readonly kind: 'same bytes' | 'exit';
      readonly exit: number;
      /** Requests beyond those of an undisturbed run, at most. */
      readonly extra: number;
      readonly seconds: number;
    }
  /** The fault cannot meet this kind of request, for this reason. */
  | { readonly kind: 'does not apply'; readonly why: string };

/** Retries and stall limit of the run: waits are short, so that the whole matrix is. */
export interface Limits {
  readonly tries: number;
  readonly baseDelayMs: number;
  readonly maxDelayMs: number;
  readonly stallTimeoutMs: number;
}

export interface Row {
  readonly name: string;
  /** The group of the summary in the README. */
  readonly group: string;
  readonly effect: Effect | readonly Effect[];
  readonly times: number | 'always';
  readonly cells: Readonly<Record<Column, Expectation>>;
  readonly hub?: Partial<HubOptions>;
  /**
   * What `npm test` runs of it; all unless told. The rest differs from another row, or another column, only in a value that a
   * test of its own proves, and is run by `npm run matrix`.
   */
  readonly quick?: readonly Column[];
  /** Which of the requests of the column the fault meets. All unless told. */
  readonly only?: Pick<Fault, 'path' | 'method' | 'ranged' | 'address'>;
  /** No request may be such that the fault meets it. */
  readonly mustNotMeet?: boolean;
  /** The program talks to a mirror of the hub, which sends it on for the big files. */
  readonly mirrored?: boolean;
  /** The repository is gated. */
  readonly gated?: boolean;
  /** What the message of a run that fails has to say. */
  readonly says?: RegExp;
  readonly limits?: Partial<Limits>;
  /** In front of the hub stands TLS, and the bytes come over TLS or not. */
  readonly secure?: boolean;
  /** The clock of the machine jumps by so many milliseconds when the request comes. */
  readonly clockJumpMs?: number;
  /** An address that is the hub's in the run, instead of the hub's own. */
  readonly endpoint?: string;
}

export const LIMITS: Limits = { tries: 4, baseDelayMs: 20, maxDelayMs: 100, stallTimeoutMs: 1000 };

export function same(extra: number, seconds = 10): Expectation {
  return { kind: 'same bytes', exit: 0, extra, seconds };
}

export function ends(exit: number, extra: number, seconds = 10): Expectation {
  return { kind: 'exit', exit, extra, seconds };
}

export function none(why: string): Expectation {
  return { kind: 'does not apply', why };
}
