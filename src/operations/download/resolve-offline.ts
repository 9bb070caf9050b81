import { FetchError } from '../../model/error.ts';
import type { Plan } from '../../model/plan.ts';
import type { Records } from '../../store/records/records.ts';
import {
  type Resolution,
  type ResolveContext,
  type Resolver,
  type RevisionRequest,
  selectFromListing,
} from './resolver.ts';

/** `--offline`: finds the revision among what earlier runs recorded. NOT_FOUND if it is not recorded. */
export class OfflineResolver implements Resolver {
  readonly #records: Records;
  readonly #request: RevisionRequest;

  constructor(records: Records, request: RevisionRequest) {
    this.#records = records;
    this.#request = request;
  }

  async resolve({ run }: ResolveContext): Promise<Resolution> {
    const request = this.#request;
    const found = this.#records.find(request);
    if ('missing' in found) throw notAvailableOffline(found.missing);
    const { revision, listing, isQuantisation } = found;
    run.emit({ type: 'resolved', asked: request.repo, revision });
    const selection = isQuantisation ? { ...request, quantisation: request.revision } : request;
    return {
      revision,
      selected: selectFromListing(listing.files, selection),
      listing: async () => listing,
    };
  }
}

/** `--offline --from`: asks the peers, and looks at what is recorded here if none of them can tell. */
export class PeerResolver implements Resolver {
  readonly #peers: Resolver;
  readonly #records: Resolver;

  constructor(peers: Resolver, records: Resolver) {
    this.#peers = peers;
    this.#records = records;
  }

  async resolve(context: ResolveContext): Promise<Resolution> {
    try {
      return await this.#peers.resolve(context);
    } catch (error) {
      const { signal, emit } = context.run;
      if (signal.aborted || !(error instanceof FetchError) || error.side !== 'source') throw error;
      const recorded = await this.#records.resolve(context).catch(() => undefined);
      if (recorded === undefined) throw error;
      emit({ type: 'note', message: `${error.message}: going by what is recorded here` });
      return recorded;
    }
  }
}

const MAX_SHOWN = 10;

/** The error of an offline run that would have to fetch files. */
export function missingOffline(plan: Plan, directory: string): FetchError {
  const missing = plan.files.filter(({ action }) => action === 'transfer').map(({ file }) => file.path);
  const more = missing.length > MAX_SHOWN ? `, and ${missing.length - MAX_SHOWN} more` : '';
  return notAvailableOffline(`${directory} lacks ${missing.slice(0, MAX_SHOWN).join(', ')}${more}`);
}

export function notAvailableOffline(what: string): FetchError {
  return new FetchError('NOT_FOUND', `offline, and ${what}`, {
    hint: 'Run the same command once with the network: without --offline, HF_HUB_OFFLINE and TRANSFORMERS_OFFLINE.',
  });
}
