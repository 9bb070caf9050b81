import type { IncomingMessage, ServerResponse } from 'node:http';
import type { LogEntry } from '../log.ts';
import type { Reply } from './reply.ts';

/** The last two are a content store's: of its API, and of the signed addresses of its xorbs. */
export type Origin = 'hub' | 'cdn' | 'cas' | 'xorbs';

/** What a request is for. Faults and the log speak in these words. */
export type RequestKind =
  | 'info'
  | 'revision'
  | 'tree'
  | 'refs'
  | 'paths-info'
  | 'whoami'
  | 'xet-read-token'
  | 'resolve'
  | 'resolve-cache'
  | 'raw'
  | 'cdn'
  | 'reconstruction'
  | 'xorb'
  | 'xet-upload'
  | 'xet-telemetry'
  | 'unknown';

/** One request on its way through the hub. */
export interface Exchange {
  readonly origin: Origin;
  readonly kind: RequestKind;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Path and query as they came. */
  readonly target: string;
  /** Path inside the repository where the request names a file, else the path of the URL. */
  readonly path: string;
  readonly entry: LogEntry;
  /** The server of this request refuses connections for so long. */
  readonly vanish: (milliseconds: number) => void;
  /** As if a branch of any repository had been pushed to, or removed. */
  readonly changeBranch: (branch: string, change: 'moves' | 'vanishes') => void;
}

/** How a connection ends early: a TCP reset, a clean FIN, or not at all. */
export type Ending = 'reset' | 'finish' | 'stall';

/** Where it ends: before the status line, or after so many bytes of the body (0 = after the head). */
export type CutPoint = 'before-head' | number;

/** A reply together with how it travels. */
export interface Transmission {
  readonly reply: Reply;
  readonly delayMs: number;
  readonly bytesPerSecond: number | undefined;
  /** The rate that the address of the server allows a stream at this moment, in bytes a second. */
  readonly allowance: () => number | undefined;
  readonly cut: { readonly at: CutPoint; readonly ending: Ending } | undefined;
  /** Bytes of the content that arrive changed: by exclusive or with `mask`. */
  readonly flips: readonly { readonly offset: number; readonly mask: number }[];
  /** Whether the connection ends after the answer, and whether the head says so. */
  readonly closeAfter: 'announced' | 'silently' | undefined;
  /** Answers `102 Processing` first. */
  readonly interim: boolean;
  /** Written to the connection in place of any answer. */
  readonly raw: string | undefined;
}
