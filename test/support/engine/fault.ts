/** What goes wrong with one answer of a host of file bytes. `at` counts bytes of the answer. */
export type Trouble =
  /** The connection breaks. */
  | { readonly kind: 'break'; readonly at: number }
  /** The answer ends early, and properly. */
  | { readonly kind: 'truncate'; readonly at: number }
  /** No byte more, until the stall limit. */
  | { readonly kind: 'silence'; readonly at: number }
  /** Silence; and when it is told to stop, a write that covers what others have brought meanwhile. */
  | { readonly kind: 'late write'; readonly at: number; readonly bytes: 'right' | 'wrong' }
  /** Wrong bytes from there on, in the right places. */
  | { readonly kind: 'corrupt'; readonly at: number }
  /** 403: the signature is too old. */
  | { readonly kind: 'expired' }
  | { readonly kind: 'status'; readonly status: number; readonly retryAfterMs?: number }
  /** 206 with a length and no Content-Range. */
  | { readonly kind: 'unsaid range' }
  /** 206 of another range than was asked for. */
  | { readonly kind: 'other range' }
  /** 200 with the whole file. */
  | { readonly kind: 'whole file' }
  | { readonly kind: 'unreached' }
  /** The disk is full when the bytes come. */
  | { readonly kind: 'full disk'; readonly at: number };

/** Trouble, and the requests that meet it: by default the first one of any file. */
export type Fault = Trouble & {
  readonly path?: string;
  /** The first request that meets it; the first of all is 1. */
  readonly request?: number;
  /** How many requests in a row. */
  readonly times?: number;
};

/** Says which trouble a request meets. Counts on over all runs, so that every script has an end. */
export class FaultScript {
  readonly #faults: { readonly fault: Fault; requests: number }[] = [];

  add(fault: Fault): void {
    this.#faults.push({ fault, requests: 0 });
  }

  /** The first fault that fits; every fault counts every request that it could fit. */
  next(path: string): Trouble | undefined {
    let met: Trouble | undefined;
    for (const entry of this.#faults) {
      const { fault } = entry;
      if (fault.path !== undefined && fault.path !== path) continue;
      entry.requests += 1;
      const { request = 1, times = 1 } = fault;
      if (entry.requests >= request && entry.requests < request + times) met ??= fault;
    }
    return met;
  }
}
