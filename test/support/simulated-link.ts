import {
  AdaptiveConcurrency,
  type ConcurrencyChange,
} from '../../src/transfer/scheduling/adaptive-concurrency.ts';

/** A link and the server behind it. Rates are bytes per millisecond. */
export interface SimulatedLink {
  /** What so many connections bring together. */
  readonly rate: (connections: number, now: number) => number;
  /** From the decision to the first byte of a new connection. */
  readonly latencyMs: number;
  /** 0.2: what comes within 40 ms varies by as much, up and down. */
  readonly noise?: number;
  /** Connections beyond this number are refused. */
  readonly refusesAbove?: (now: number) => number;
  /** On the average, a connection breaks after so many milliseconds, and is there again at once. */
  readonly breaksEveryMs?: number;
  readonly random?: () => number;
}

export interface LinkRun {
  readonly endedAt: number;
  /** The limit at every millisecond. */
  readonly limits: readonly number[];
  /** Bytes that had come by every millisecond. */
  readonly bytes: readonly number[];
  readonly changes: readonly (ConcurrencyChange & { readonly at: number })[];
}

/** Interval in which writes are reported. */
const REPORT_MS = 40;
/** A connection that is one too many ends with its range. */
const RANGE_BYTES = 8 * 1024 * 1024;

/** Brings so many bytes over a link with as many connections as the budget says, or with a fixed number. */
export function runLink(
  link: SimulatedLink,
  {
    total,
    most,
    fixed,
    allowed,
    hubWaitMs,
    isSaturated = () => false,
  }: {
    readonly total: number;
    readonly most: number;
    readonly fixed?: number;
    readonly allowed?: number;
    /** How long the hub took for an answer. */
    readonly hubWaitMs?: number;
    /** Whether the machine has no time for more at this millisecond. */
    readonly isSaturated?: (now: number) => boolean;
  },
): LinkRun {
  const { rate, latencyMs, noise = 0, refusesAbove, breaksEveryMs, random = Math.random } = link;
  const budget = new AdaptiveConcurrency(most, 0, { allowed, hubWaitMs });
  const limits: number[] = [];
  const changes: (ConcurrencyChange & { at: number })[] = [];
  const bytes: number[] = [];
  /** When each connection brings its first byte, and how much it has of its range. */
  let connections: { asksAt: number; readyAt: number; brought: number }[] = [];
  let came = 0;
  const delivery = { bytes: 0, ms: 0 };
  let established = 0;
  let factor = 1;
  let now = 0;
  for (; came < total && now < 600_000; now += 1) {
    const limit = fixed ?? budget.limit;
    while (connections.length < limit)
      connections.push({ asksAt: now, readyAt: now + latencyMs, brought: 0 });
    const allowed = refusesAbove?.(now) ?? Number.POSITIVE_INFINITY;
    let served = connections.filter(({ asksAt }) => asksAt < now).length;
    for (const connection of connections) {
      if (connection.asksAt !== now) continue;
      if (served < allowed) served += 1;
      else {
        connection.asksAt = now + 1000;
        connection.readyAt = now + 1000 + latencyMs;
        if (fixed === undefined) budget.refused(now, connections.length);
      }
    }
    const delivering = connections.filter(({ readyAt }) => readyAt <= now);
    if (now % REPORT_MS === 0) factor = 1 + noise * (2 * random() - 1);
    const each = delivering.length === 0 ? 0 : (rate(delivering.length, now) * factor) / delivering.length;
    for (const connection of delivering) {
      connection.brought += each;
      came += each;
      delivery.bytes += each;
      delivery.ms += 1;
      if (breaksEveryMs !== undefined && random() < 1 / breaksEveryMs) {
        connection.readyAt = now + latencyMs;
        if (fixed === undefined) budget.broke(now, connections.length);
      }
    }
    // Those that are too many end with their range.
    for (const connection of delivering) {
      if (connection.brought < RANGE_BYTES) continue;
      connection.brought = 0;
      connection.asksAt = now + 1;
      if (connections.length > limit) connections = connections.filter((other) => other !== connection);
    }
    if (now % REPORT_MS === 0) {
      established = Math.max(established, delivering.length);
      const change = budget.observe(now, came, {
        active: connections.length,
        delivering: delivering.length,
        established,
        delivery: { ...delivery },
        waitMs: latencyMs,
        isSaturated: isSaturated(now),
        requestMs: each === 0 ? 0 : latencyMs + RANGE_BYTES / each,
      });
      if (change !== undefined) changes.push({ ...change, at: now });
      if (change?.drop === 'all') connections = [];
      else if (change?.drop === 'excess') connections = connections.slice(0, change.to);
    }
    limits.push(fixed ?? budget.limit);
    bytes.push(came);
  }
  return { endedAt: now, limits, bytes, changes };
}
