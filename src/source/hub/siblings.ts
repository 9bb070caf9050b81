import { FetchError } from '../../model/error.ts';
import type { Revision } from '../../model/repo.ts';
import { siblingsUrl } from './endpoints.ts';
import { getJson, type HubConnection } from './hub-api.ts';
import type { RequestSubject } from './hub-error.ts';

/** Statuses of endpoints without the route of the listing: some mirrors answer 400. */
const NO_SUCH_ROUTE = new Set([400, 404, 405, 501]);

/** Whether a listing failed because the endpoint has none. */
export function lacksListing(thrown: unknown): thrown is FetchError {
  return thrown instanceof FetchError && NO_SUCH_ROUTE.has(thrown.status ?? 0);
}

interface SiblingsRequest {
  readonly subject: RequestSubject;
  readonly revision: Revision;
  readonly refused: FetchError;
}

/**
 * The files of a revision from its information, in the shape of entries of the listing: for mirrors that have no
 * listing. `refused` is the error of the listing; it is thrown if the information is missing too.
 */
export async function siblingEntries(
  hub: HubConnection,
  { subject, revision, refused }: SiblingsRequest,
  signal: AbortSignal,
): Promise<readonly unknown[]> {
  const url = siblingsUrl(hub.endpoint, revision.repo, revision.id);
  let json: unknown;
  try {
    ({ json } = await getJson(hub, { subject, url, shape: isObject }, signal));
  } catch {
    signal.throwIfAborted();
    throw refused;
  }
  const { siblings } = json as { siblings?: unknown };
  const entries = Array.isArray(siblings) ? siblings.map(toEntry) : [];
  if (entries.length === 0 || entries.some(({ size }) => typeof size !== 'number')) {
    const { host } = new URL(hub.endpoint);
    throw new FetchError(
      'NETWORK',
      `${host} lists no files with their sizes: it has no /tree (${refused.status})`,
      {
        status: refused.status,
        cause: refused,
        hint: 'This endpoint serves single files at most. Use another one with --endpoint, or ask its operator to update it.',
      },
    );
  }
  hub.onNote?.('the endpoint has no /tree: the files are taken from its information about the revision');
  return entries;
}

function toEntry(sibling: unknown): { readonly size: unknown; readonly [field: string]: unknown } {
  const { rfilename, size, blobId, lfs, xetHash } = (sibling ?? {}) as Record<string, unknown>;
  return { type: 'file', path: rfilename, size, oid: blobId, lfs, xetHash };
}

function isObject(json: unknown): boolean {
  return json !== null && typeof json === 'object';
}
