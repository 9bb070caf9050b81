import type { Exchange, RequestKind, Transmission } from '../wire/exchange.ts';
import { parseRange } from '../wire/range.ts';
import { applyEffect, type Effect } from './effect.ts';

/** One rule of the script: which requests, which of them by number, and what happens to their answer. Plain data. */
export interface Fault {
  readonly on: RequestKind | readonly RequestKind[] | 'any';
  /** A glob (`*` matches `/` too) or a pattern on the path inside the repository. Without one: every path. */
  readonly path?: string | RegExp;
  readonly method?: string;
  /** Only requests with a Range, or only those without. */
  readonly ranged?: boolean;
  /** Only requests that came to this address of the server. */
  readonly address?: string;
  /** Only requests whose range covers this byte of the file. `flip` implies it. */
  readonly covers?: number;
  /** How many fitting requests pass before the rule acts. 0 unless told. */
  readonly after?: number;
  /** On how many requests it acts. 1 unless told. */
  readonly times?: number | 'always';
  /** Count `after` and `times` for each path on its own. */
  readonly perPath?: boolean;
  /** Between 0 and 1: by a generator that `seed` starts, so the same order of requests gives the same faults. */
  readonly probability?: number;
  readonly seed?: number;
  readonly effect: Effect | readonly Effect[];
}

interface Armed {
  readonly fault: Fault;
  readonly seen: Map<string, number>;
  readonly chance: () => number;
}

/** Every rule that fits a request acts on it, in the order of the script. */
export class FaultScript {
  #armed: Armed[] = [];

  add(...faults: readonly Fault[]): this {
    for (const fault of faults) {
      this.#armed.push({ fault, seen: new Map(), chance: randomNumbers(fault.seed ?? 1) });
    }
    return this;
  }

  clear(): void {
    this.#armed = [];
  }

  async apply(transmission: Transmission, exchange: Exchange): Promise<Transmission> {
    let changed = transmission;
    for (const armed of this.#armed) {
      if (!fits(armed.fault, exchange, transmission) || !due(armed, exchange)) continue;
      for (const effect of [armed.fault.effect].flat()) {
        exchange.entry.faults.push(effect.kind);
        changed = await applyEffect(effect, changed, exchange);
      }
    }
    return changed;
  }
}

function fits(fault: Fault, exchange: Exchange, transmission: Transmission): boolean {
  if (fault.on !== 'any' && ![fault.on].flat().includes(exchange.kind)) return false;
  if (fault.method !== undefined && fault.method !== exchange.request.method) return false;
  if (fault.ranged !== undefined && fault.ranged !== (exchange.entry.range !== undefined)) return false;
  if (fault.address !== undefined && fault.address !== exchange.entry.address) return false;
  if (fault.path !== undefined && !pathPattern(fault.path).test(exchange.path)) return false;
  const offset = fault.covers ?? flippedOffset(fault);
  return offset === undefined || covers(transmission, exchange, offset);
}

function flippedOffset(fault: Fault): number | undefined {
  for (const effect of [fault.effect].flat()) if (effect.kind === 'flip') return effect.offset;
  return undefined;
}

function covers({ reply }: Transmission, exchange: Exchange, offset: number): boolean {
  if (reply.status !== 200 && reply.status !== 206) return false;
  const asked = parseRange(exchange.request.headers.range, reply.content.size);
  if (asked === 'unsatisfiable') return false;
  return asked === undefined ? offset < reply.content.size : offset >= asked.start && offset < asked.end;
}

function due({ fault, seen, chance }: Armed, exchange: Exchange): boolean {
  const key = fault.perPath === true ? exchange.path : '';
  const number = seen.get(key) ?? 0;
  const first = fault.after ?? 0;
  const times = fault.times === 'always' ? Number.POSITIVE_INFINITY : (fault.times ?? 1);
  if (number >= first + times) return false;
  if (number >= first && fault.probability !== undefined && chance() >= fault.probability) return false;
  seen.set(key, number + 1);
  return number >= first;
}

export function pathPattern(path: string | RegExp): RegExp {
  if (typeof path !== 'string') return path;
  const escaped = path
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${escaped}$`, 's');
}

/** A small linear congruential generator: chance that can be repeated. */
export function randomNumbers(seed: number): () => number {
  let state = (seed * 2_654_435_761) >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
