import { FetchError } from '../../model/error.ts';
import type { Emit } from '../../model/event.ts';
import type { Holding } from '../../model/plan.ts';
import { pinnedRevision } from '../../model/repo.ts';
import type { Finding } from '../../model/verify-report.ts';
import { checkSpace, makePlan } from '../../plan/make-plan.ts';
import { openHttp, openSource } from '../../source/open-source.ts';
import { listedFile } from '../../store/records/lockfile.ts';
import type { Environment } from '../../system/environment.ts';
import { executePlan, type TransferSettings, WorkerThreads } from '../download/execute.ts';
import { publish, someFailed } from '../download/finish-download.ts';
import { knownListing } from '../download/records.ts';
import { openStore } from '../open-store.ts';
import { requireManifest } from './run-verify.ts';

/**
 * Fetches the missing and the changed files of a directory again, from the commit that its manifest names.
 * Nothing is listed or resolved, nothing else is touched, extra files stay. Returns the bytes that came.
 */
export async function repair(
  directory: string,
  findings: readonly Finding[],
  settings: TransferSettings,
  environment: Environment,
  emit: Emit,
  signal: AbortSignal,
): Promise<number> {
  const { manifest } = requireManifest(directory);
  const { repo, revision: name, commit } = manifest;
  const revision = pinnedRevision(repo, name, commit);
  const all = manifest.files.map(listedFile);
  const wrong = new Map(
    findings.flatMap((finding) => (finding.kind === 'extra' ? [] : [[finding.path, finding.kind] as const])),
  );
  const selected = all.filter((file) => wrong.has(file.path));
  if (selected.length === 0) return 0;
  const http = openHttp(settings, environment, emit);
  try {
    const source = openSource(repo, { access: settings, environment, http, emit, countsAsDownload: true });
    await using store = await openStore(
      { directory, endpoint: manifest.endpoint, repo },
      environment,
      revision,
      (message) => emit({ type: 'note', message }),
    );
    await store.refuseNames(selected, signal);
    await store.open(signal);
    const { holdings, freeBytes } = await store.survey(selected, signal);
    // What was read and found wrong is not believed for its records: they may say that it is right.
    const seen = new Map(
      selected.map(({ path }): [string, Holding] => {
        const holding = holdings.get(path);
        const part = holding !== undefined && 'part' in holding ? holding.part : [];
        if (wrong.get(path) === 'changed') return [path, { kind: 'different', part }];
        return [path, part.length > 0 ? { kind: 'part', part } : { kind: 'nothing' }];
      }),
    );
    const plan = makePlan(revision, selected, { holdings: seen, freeBytes });
    emit({ type: 'planned', plan, directory });
    const tooLittle = checkSpace(plan);
    if (tooLittle !== undefined) throw tooLittle;
    await using workers = new WorkerThreads(settings, environment, emit);
    const context = { workers, source, store, environment, emit, signal };
    const { fetchedBytes, failures } = await executePlan(plan, settings, context);
    await publish(
      store,
      revision,
      selected,
      knownListing({ directory, repo: revision.repo }, commit),
      failures,
    );
    const first = failures[0];
    if (first !== undefined) throw goneUpstream(someFailed(first, failures.length, fetchedBytes > 0), commit);
    return fetchedBytes;
  } finally {
    http.close();
  }
}

function goneUpstream(error: FetchError, commit: string): FetchError {
  if (error.code !== 'NOT_FOUND') return error;
  return new FetchError('INTEGRITY', `${error.message}; the manifest names commit ${commit}`, {
    cause: error,
    hint: 'The hub does not have that state of the repository any more. Fetch the branch anew.',
  });
}
