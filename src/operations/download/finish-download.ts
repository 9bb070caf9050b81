import { FetchError } from '../../model/error.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { Revision } from '../../model/repo.ts';
import type { Store } from '../../store/store.ts';
import type { FileFailure } from '../../transfer/transfer-context.ts';
import type { Listing } from './resolution.ts';

/** Records what a run has brought, also when not everything came. */
export async function publish(
  store: Store,
  revision: Revision,
  selected: readonly RemoteFile[],
  listing: Listing,
  failures: readonly FileFailure[],
): Promise<void> {
  const failed = new Set(failures.map((failure) => failure.path));
  const whole = selected.filter((file) => !failed.has(file.path));
  await store.publish(revision, whole, listing.files, failures.length === 0, listing.complete);
}

const KEPT = 'What was fetched is kept: run the same command again.';

/** The failures of a run as one. `kept` says that something was fetched: of no other run is that said. */
export function someFailed({ error, path }: FileFailure, count: number, kept: boolean): FetchError {
  const { code, cause, status, hint = '' } = error;
  const told = !kept || code !== 'NETWORK' || hint.includes('is kept');
  if (count === 1 && told) return error;
  const message =
    count === 1 ? error.message : `${count} files failed, the first of them ${path}: ${error.message}`;
  return new FetchError(code, message, {
    hint: told ? error.hint : `${hint} ${KEPT}`.trim(),
    cause: count === 1 ? cause : error,
    status,
  });
}
