import type { IncomingMessage, ServerResponse } from 'node:http';
import { bytes, type Content } from '../hub/content/content.ts';

/** What a request asks for: of the registry all but `storage`. */
export type AskedKind = 'manifest' | 'blob' | 'storage' | 'tags' | 'page' | 'token' | 'other';

export type RegistryEffect =
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly body?: string;
      readonly headers?: Readonly<Record<string, string>>;
    }
  /** The connection is cut, for the storage behind so many bytes of the answer. */
  | { readonly kind: 'reset'; readonly at?: number }
  /** Nothing more comes, behind so many bytes. */
  | { readonly kind: 'stall'; readonly at?: number }
  /** One bit of the answer is another one: of a manifest or of a blob. */
  | { readonly kind: 'corrupt' }
  /** Bytes per second. */
  | { readonly kind: 'slow'; readonly rate: number };

export interface RegistryFault {
  readonly on: AskedKind | 'any';
  /** A part of the address. */
  readonly url?: string;
  /** Matching requests that pass before it; none if left out. */
  readonly after?: number;
  /** For ever if left out. */
  readonly times?: number;
  readonly effect: RegistryEffect;
}

interface Rule {
  readonly fault: RegistryFault;
  seen: number;
  used: number;
}

/** Rules: on which requests, from which on, how often, and what happens to the answer. */
export class Faults {
  #rules: Rule[] = [];
  readonly #sizes = new Map<string, number>();
  /** Bytes per second of answers that are slow. */
  readonly rates: WeakMap<ServerResponse, number> = new WeakMap();

  add(fault: RegistryFault): void {
    this.#rules.push({ fault, seen: 0, used: 0 });
  }

  clear(): void {
    this.#rules = [];
    this.#sizes.clear();
  }

  /** The blob has so many bytes more (or less) at the storage than its manifest says. */
  resize(digest: string, by: number): void {
    this.#sizes.set(digest, by);
  }

  sized(digest: string, content: Content): Content {
    const by = this.#sizes.get(digest);
    if (by === undefined) return content;
    return bytes(Buffer.alloc(content.size + by, 0x7a));
  }

  next(kind: AskedKind, url: string): RegistryEffect | undefined {
    for (const rule of this.#rules) {
      const { on, url: part = '', after = 0, times = Number.POSITIVE_INFINITY, effect } = rule.fault;
      if ((on !== 'any' && on !== kind) || !url.includes(part)) continue;
      rule.seen += 1;
      if (rule.seen <= after || rule.used >= times) continue;
      rule.used += 1;
      return effect;
    }
    return undefined;
  }

  /** What happens before the answer. True if that was all. */
  async before(effect: RegistryEffect, request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    switch (effect.kind) {
      case 'status':
        response.writeHead(effect.status, effect.headers).end(effect.body ?? '');
        return true;
      case 'reset':
        if (effect.at !== undefined) {
          cutAt(response, effect.at, () => request.socket.destroy());
          return false;
        }
        request.socket.destroy();
        return true;
      case 'stall':
        if (effect.at !== undefined) {
          cutAt(response, effect.at, () => {});
          return false;
        }
        return true;
      case 'corrupt':
        damageFirst(response);
        return false;
      case 'slow':
        this.rates.set(response, effect.rate);
        return false;
    }
  }
}

/** Passes so many bytes of the body and then does something else with the connection. */
function cutAt(response: ServerResponse, at: number, end: () => void): void {
  let sent = 0;
  const write = response.write.bind(response) as (chunk: unknown) => boolean;
  const cut = (chunk: unknown): boolean => {
    const data = Buffer.from(chunk as Buffer);
    const left = at - sent;
    sent += data.length;
    if (left > 0) write(data.subarray(0, left));
    if (sent >= at) setImmediate(end);
    return sent < at;
  };
  response.write = cut as never;
  response.end = ((chunk?: unknown) => {
    if (chunk !== undefined) cut(chunk);
    else setImmediate(end);
    return response;
  }) as never;
}

function damageFirst(response: ServerResponse): void {
  const write = response.write.bind(response) as (chunk: unknown) => boolean;
  const end = response.end.bind(response) as (chunk?: unknown) => ServerResponse;
  let done = false;
  const damaged = (chunk: unknown): unknown => {
    if (done || chunk === undefined) return chunk;
    const data = Buffer.from(chunk as Buffer);
    if (data.length === 0) return data;
    done = true;
    // In the middle: a manifest stays JSON of the same shape there more often than not.
    const place = Math.floor(data.length / 2);
    data[place] = data[place]! ^ 1;
    return data;
  };
  response.write = ((chunk: unknown) => write(damaged(chunk))) as never;
  response.end = ((chunk?: unknown) => end(damaged(chunk))) as never;
}
