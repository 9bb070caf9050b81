import type { RemoteFile } from '../model/remote-file.ts';
import type { Revision } from '../model/repo.ts';
import type { RunContext } from '../system/run-context.ts';
import type { Source } from './source.ts';

/** The whole listing of a revision. Emits `listing` at every thousandth file and at the end. */
export async function collectListing(
  source: Source,
  revision: Revision,
  { emit, signal }: Pick<RunContext, 'emit' | 'signal'>,
): Promise<readonly RemoteFile[]> {
  const listing: RemoteFile[] = [];
  for await (const file of source.list(revision, signal)) {
    listing.push(file);
    if (listing.length % 1000 === 0) emit({ type: 'listing', files: listing.length });
  }
  emit({ type: 'listing', files: listing.length });
  return listing;
}
