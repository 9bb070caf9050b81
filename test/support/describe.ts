import type { BranchRow, BranchTable } from '../../src/model/branch-facts.ts';
import type { TransferEvent } from '../../src/model/event.ts';
import { type BranchesRequest, describeBranches } from '../../src/operations/branches/describe-revisions.ts';
import { createEnvironment } from '../../src/operations/create-environment.ts';
import { DEFAULT_RETRY_POLICY } from '../../src/system/retry.ts';
import type { Hub } from './hub/hub.ts';

export interface Described extends BranchTable {
  readonly events: readonly TransferEvent[];
}

/** What `fetch branches` knows of a repository of a hub, before anybody prints it. */
export async function describeAt(
  hub: Hub,
  id: string,
  wishes: Partial<BranchesRequest> = {},
): Promise<Described> {
  const events: TransferEvent[] = [];
  const request: BranchesRequest = {
    endpoint: hub.origin,
    token: undefined,
    repo: { type: 'model', id },
    revision: undefined,
    mayBeQuantisation: false,
    variant: undefined,
    cacheFolder: undefined,
    retry: { ...DEFAULT_RETRY_POLICY, baseDelayMs: 1, maxDelayMs: 5, tries: 3 },
    stallTimeoutMs: 5000,
    hubTimeoutMs: 5000,
    offline: false,
    network: undefined,
    ...wishes,
  };
  const { signal } = new AbortController();
  const table = await describeBranches(request, createEnvironment(), (event) => events.push(event), signal);
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
