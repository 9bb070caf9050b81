/** Failures in a row, without a request in between that brought its bytes, after which a peer is not used any more. */
const MAX_FAILURES = 3;
/** Rest of a peer that is busy and does not say for how long, in milliseconds. Doubles with every refusal in a row. */
const REST_MS = 500;
const MAX_REST_MS = 10_000;
/** How often in a row a peer may be busy. */
const MAX_BUSY = 6;
/** Bytes of a peer are counted for this time to know how fast its requests are, in milliseconds. */
const WINDOW_MS = 250;
/** A peer whose requests are this much slower than those of the fastest one gets no second request. */
const SLOWER = 4;

interface PeerState {
  /** `unknown`: it has not answered yet. `absent`: it may have the revision later. `silent`: it has become silent. `suspected`: it may have sent wrong bytes. */
  state: 'unknown' | 'absent' | 'ready' | 'silent' | 'suspected' | 'dropped';
  /** Requests that are active. */
  active: number;
  failures: number;
  busy: number;
  /** It was silent, and has brought nothing whole since. */
  doubtful: boolean;
  restsUntil: number;
  readonly lacks: Set<number>;
  /** Bytes per millisecond of one request, smoothed; 0 until measured. */
  pace: number;
  /** Undefined before the first byte of its requests: that wait is not part of the pace. */
  windowStart: number | undefined;
  windowBytes: number;
}

/** A peer that may have a file. */
interface UsablePeer {
  readonly peer: number;
  /** Requests that are active. */
  readonly active: number;
  readonly busy: boolean;
}

/**
 * Which peer a request for bytes of a file goes to, and what became of it. Peers and files are numbers of the caller. A
 * pure state machine: times are arguments, in milliseconds of one monotonic clock.
 */
export class PeerTable {
  readonly #peers: readonly PeerState[];

  constructor(count: number) {
    this.#peers = Array.from({ length: count }, () => ({
      state: 'unknown',
      active: 0,
      failures: 0,
      busy: 0,
      doubtful: false,
      restsUntil: 0,
      lacks: new Set<number>(),
      pace: 0,
      windowStart: undefined,
      windowBytes: 0,
    }));
  }

  /** Whether the first answer of a peer is outstanding. */
  get awaited(): boolean {
    return this.#peers.some(({ state }) => state === 'unknown');
  }

  /** Whether a peer that is not known to have anything may have it yet. */
  get mayTurnUp(): boolean {
    return this.#peers.some(({ state }) => state === 'unknown' || state === 'absent');
  }

  /** Whether none is known to have anything of the revision, and one may have it later. */
  get allAbsent(): boolean {
    const there = this.#peers.filter(({ state }) => state !== 'dropped');
    return there.length > 0 && there.every(({ state }) => state === 'absent' || state === 'unknown');
  }

  isAbsent(peer: number): boolean {
    return this.#at(peer).state === 'absent';
  }

  isDropped(peer: number): boolean {
    return this.#at(peer).state === 'dropped';
  }

  /**
   * The peer that the next request for this file goes to; undefined if no peer has it. The one with the fewest requests; one
   * that is slow beside the others, or was silent, keeps a single request, by which it shows when it becomes faster.
   */
  choose(file: number, now: number): number | undefined {
    return this.usable(file, now).find(({ busy }) => !busy)?.peer;
  }

  /** The peers that have a file as far as is known, those with the fewest requests first; `busy` ones get no further request. */
  usable(file: number, now: number): readonly UsablePeer[] {
    const usable = [...this.#peers.entries()].filter(
      ([, { state, lacks, restsUntil }]) => state === 'ready' && !lacks.has(file) && now >= restsUntil,
    );
    const fastest = usable.reduce((most, [, { pace }]) => Math.max(most, pace), 0);
    return usable
      .sort(([, left], [, right]) => left.active - right.active)
      .map(([peer, { active, pace, doubtful }]) => ({
        peer,
        active,
        busy: active > 0 && (doubtful || (pace > 0 && pace * SLOWER < fastest)),
      }));
  }

  /** It answered for the first time, or after it was silent. */
  answered(peer: number): void {
    const state = this.#at(peer);
    if (['unknown', 'absent', 'silent'].includes(state.state)) state.state = 'ready';
  }

  /** It has nothing of the revision now. */
  absent(peer: number): void {
    const state = this.#at(peer);
    if (state.state !== 'dropped') state.state = 'absent';
  }

  /** Its requests get no more bytes: it gets nothing to do until it answers. */
  silent(peer: number): 'known' | 'ask again' | 'too often' {
    const state = this.#at(peer);
    if (state.state !== 'ready') return 'known';
    state.state = 'silent';
    state.doubtful = true;
    return this.failed(peer) ? 'ask again' : 'too often';
  }

  lacks(peer: number, file: number): void {
    this.#at(peer).lacks.add(file);
  }

  began(peer: number): void {
    this.#at(peer).active += 1;
  }

  /** Bytes of a request came. */
  wrote(peer: number, bytes: number, now: number): void {
    const state = this.#at(peer);
    if (state.windowStart === undefined) {
      state.windowStart = now;
      state.windowBytes = 0;
      return;
    }
    state.windowBytes += bytes;
    const elapsed = now - state.windowStart;
    if (elapsed < WINDOW_MS || state.active === 0) return;
    const pace = state.windowBytes / elapsed / state.active;
    state.pace = state.pace === 0 ? pace : (state.pace + pace) / 2;
    state.windowStart = now;
    state.windowBytes = 0;
  }

  ended(peer: number): void {
    const state = this.#at(peer);
    state.active -= 1;
    if (state.active === 0) state.windowStart = undefined;
  }

  /** It brought what was asked for. */
  brought(peer: number): void {
    const state = this.#at(peer);
    state.failures = 0;
    state.busy = 0;
    state.doubtful = false;
  }

  /** It refused for being busy; `delayMs` is what it asked for. False if that was once too often. */
  refused(peer: number, delayMs: number | undefined, now: number): boolean {
    const state = this.#at(peer);
    // Many requests of one moment are refused at once: they count once.
    if (now < state.restsUntil) return true;
    const rest = Math.min(MAX_REST_MS, delayMs ?? REST_MS * 2 ** state.busy);
    state.busy += 1;
    state.restsUntil = now + rest;
    return state.busy < MAX_BUSY;
  }

  /** A request broke off. False if that was once too often. */
  failed(peer: number): boolean {
    const state = this.#at(peer);
    state.failures += 1;
    return state.failures < MAX_FAILURES;
  }

  /** Nothing more is asked of it. */
  drop(peer: number): void {
    this.#at(peer).state = 'dropped';
  }

  /** A file with bytes of it is wrong: it gets nothing to do until it is known who sent them. */
  suspect(peer: number): void {
    const state = this.#at(peer);
    if (state.state === 'ready') state.state = 'suspected';
  }

  /** Its bytes were not the wrong ones. */
  clear(peer: number): void {
    const state = this.#at(peer);
    if (state.state === 'suspected') state.state = 'ready';
  }

  #at(peer: number): PeerState {
    return this.#peers[peer]!;
  }
}
