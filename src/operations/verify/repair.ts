import { FetchError } from '../../model/error.ts';
import { pinnedRevision } from '../../model/repo.ts';
import type { Finding } from '../../model/verify-report.ts';
import { openHttp, openSource } from '../../source/open-source.ts';
import { openDirectoryRecords, openStore } from '../../store/open-store.ts';
import { listedFile } from '../../store/records/lockfile.ts';
import type { RunContext } from '../../system/run-context.ts';
import { publish, someFailed } from '../download/finish-download.ts';
import { runSettings, type TransferOptions } from '../options.ts';
import { fetchAgain } from './fetch-again.ts';
import { requireManifest } from './verify.ts';

/**
 * Fetches the missing and changed files of a directory again, from the commit in its manifest. Lists and resolves
 * nothing, touches nothing else, and leaves extra files. Returns the number of fetched bytes.
 */
export async function repair(
  directory: string,
  findings: readonly Finding[],
  options: TransferOptions,
  run: RunContext,
): Promise<number> {
  const manifest = requireManifest(directory);
  const { endpoint, repo, revision: name, commit } = manifest;
  const revision = pinnedRevision(repo, name, commit);
  const wrong = new Map(
    findings.flatMap((finding) => (finding.kind === 'extra' ? [] : [[finding.path, finding.kind] as const])),
  );
  const selected = manifest.files.map(listedFile).filter((file) => wrong.has(file.path));
  if (selected.length === 0) return 0;
  const settings = runSettings(options);
  using http = openHttp(settings, run);
  const source = openSource(repo, { access: settings, run, http, countsAsDownload: true });
  await using store = openStore({ directory, endpoint, repo }, revision, run);
  const changed = new Set(selected.map(({ path }) => path).filter((path) => wrong.get(path) === 'changed'));
  const { fetchedBytes, failures } = await fetchAgain({ revision, selected, changed }, settings.transfer, {
    run,
    source,
    store,
  });
  await publish(store, { revision, selected }, openDirectoryRecords(directory).listing(commit), failures);
  const first = failures[0];
  if (first !== undefined) throw goneUpstream(someFailed(first, failures.length, fetchedBytes > 0), commit);
  return fetchedBytes;
}

function goneUpstream(error: FetchError, commit: string): FetchError {
  if (error.code !== 'NOT_FOUND') return error;
  return new FetchError('INTEGRITY', `${error.message}; the manifest names commit ${commit}`, {
    cause: error,
    hint: 'That revision is gone upstream. Download the branch again.',
  });
}
