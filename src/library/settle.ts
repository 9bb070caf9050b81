import { FetchError } from '../model/error.ts';
import type { RemoteFile } from '../model/remote-file.ts';
import type { Revision } from '../model/repo.ts';
import type { Store } from '../store/store.ts';
import type { FileFailure } from '../transfer/run-result.ts';
import type { Listing } from './aim.ts';

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

/** The failures of a run as one. */
export function someFailed({ error, path }: FileFailure, count: number): FetchError {
  if (count === 1) return error;
  return new FetchError(error.code, `${count} files failed, the first of them ${path}: ${error.message}`, {
    hint: error.hint,
    cause: error,
    status: error.status,
  });
}
