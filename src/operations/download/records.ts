import type { Emit } from '../../model/event.ts';
import type { Records } from '../../store/records/records.ts';
import { type Asked, choose, notAvailableOffline, type Resolution } from './resolution.ts';

/** `--offline`: what is on record here is all there is. NOT_FOUND if that is something else. */
export function resolveFromRecords(records: Records, asked: Asked, emit: Emit): Resolution {
  const found = records.find(asked);
  if ('missing' in found) throw notAvailableOffline(found.missing);
  const { revision, listing, isQuantisation } = found;
  emit({ type: 'resolved', asked: asked.repo, revision });
  const choice = isQuantisation ? { ...asked, quantisation: asked.revision } : asked;
  return { revision, selected: choose(listing.files, choice), listing: async () => listing };
}
