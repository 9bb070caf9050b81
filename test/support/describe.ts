import type { BranchRow, BranchTable } from '../../src/model/branch-facts.ts';
import type { TransferEvent } from '../../src/model/event.ts';
import { listBranches } from '../../src/operations/branches/list-branches.ts';
import type { Hub } from './hub/hub.ts';

export interface Described extends BranchTable {
  readonly events: readonly TransferEvent[];
}

interface DescribeOptions {
  readonly revision?: string;
  /** The revision is written behind a colon. */
  readonly mayBeQuantisation?: boolean;
  readonly variant?: string;
  readonly cacheDirectory?: string;
}

/** What `fetch branches` knows of a repository of a hub, before it is printed. */
export async function describeAt(
  hub: Hub,
  id: string,
  { revision, mayBeQuantisation = false, variant, cacheDirectory }: DescribeOptions = {},
): Promise<Described> {
  const events: TransferEvent[] = [];
  const table = await listBranches({
    endpoint: hub.origin,
    repo: {
      repo: { type: 'model', id },
      revision,
      revisionOrigin: mayBeQuantisation ? 'colon' : 'option',
      path: undefined,
      quantisation: variant,
    },
    cacheDirectory,
    retry: { baseDelayMs: 1, maxDelayMs: 5, tries: 3 },
    stallTimeoutMs: 5000,
    onEvent: (event) => events.push(event),
  });
  return { ...table, events };
}

export function rowOf(table: BranchTable, revision: string, variant?: string): BranchRow {
  const row = table.rows.find((one) => one.revision === revision && one.variant === variant);
  if (row === undefined) throw new Error(`no row ${revision} ${variant ?? ''}`);
  return row;
}

/** Facts as `value (origin)`, which is what a test wants to compare. */
export function factsOf(row: BranchRow): Record<string, string> {
  return Object.fromEntries(
    Object.entries(row.facts).map(([name, fact]) => [name, `${String(fact.value)} (${fact.origin})`]),
  );
}
