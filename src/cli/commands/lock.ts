import { resolve } from 'node:path';
import { usage } from '../../model/error.ts';
import type { Emit } from '../../model/event.ts';
import { formatBytes, formatCount, printable } from '../../model/format.ts';
import { repoPath, repoRecord } from '../../model/repo.ts';
import { lockRevisions } from '../../operations/lock.ts';
import { revisionNameOf } from '../../operations/target.ts';
import { safeJson } from '../../report/progress/json-reporter.ts';
import { parseTarget } from '../../source/naming.ts';
import type { Lockfile } from '../../store/records/lockfile.ts';
import { pathOption } from '../options/path-option.ts';
import { parseAccess } from '../options/read-access.ts';
import { requireReplaceable } from '../options/read-lockfiles.ts';
import type { DownloadOptions } from '../options/settings.ts';
import { writeLock } from '../options/write-lockfile.ts';
import { ContactedHosts } from '../process/contacted-hosts.ts';
import { processEnvironment } from '../process/environment.ts';
import { openReporter } from '../process/open-reporter.ts';
import { fail } from '../process/report-failure.ts';
import { ShutdownSignals } from '../process/signals.ts';
import { writeOut } from '../process/standard-output.ts';

const DEFAULT_FILE = 'models.lock';

export interface LockCommand {
  readonly repos: readonly string[];
  readonly options: DownloadOptions;
}

/** `fetch lock REPO…`: writes the lockfile and prints its path. */
export async function runLock({ repos, options }: LockCommand): Promise<number> {
  const errors = { verbose: options.verbose, json: options.json };
  try {
    const { settings, notes, transfer } = parseAccess(options);
    if (options.revision !== undefined && repos.length > 1) {
      throw usage('--revision fits one repository only.', 'Write each as OWNER/NAME:REV.');
    }
    const path = options.lock === undefined ? resolve(DEFAULT_FILE) : pathOption('--lock', options.lock);
    requireReplaceable(path);
    const targets = repos.map((text) => {
      const { endpoint } = transfer;
      const target = parseTarget(text, { endpoint, revision: options.revision, repoType: settings.repoType });
      const selection = { path: target.path, include: options.include ?? [], exclude: options.exclude ?? [] };
      return {
        ...revisionNameOf(target),
        weights: settings.weights,
        selection,
      };
    });
    // One document: events would not be part of it.
    const { json: _one, ...plain } = options;
    const reporter = await openReporter(plain, settings, repos.join(', '));
    using shutdown = new ShutdownSignals(settings.timeoutMs.value, () => reporter.close());
    const contactedHosts = new ContactedHosts();
    const emit: Emit = (event) => {
      contactedHosts.emit(event);
      reporter.emit(event);
    };
    for (const message of notes) emit({ type: 'note', message });
    try {
      const run = { environment: processEnvironment(), emit, signal: shutdown.signal };
      const locks = await lockRevisions(targets, transfer, run);
      reporter.close();
      contactedHosts.print(options.verbose);
      await writeLock(path, locks);
      for (const { repo, files } of options.quiet === true ? [] : locks) {
        const bytes = files.reduce((sum, file) => sum + file.size, 0);
        const size = `${formatCount(files.length, 'file')}, ${formatBytes(bytes)}`;
        process.stderr.write(`fetch: locked ${printable(repoPath(repo))}: ${size}\n`);
      }
      writeOut(options.json ? renderLocksJson(path, locks) : `${path}\n`);
      return 0;
    } catch (thrown) {
      reporter.close();
      contactedHosts.print(options.verbose);
      return fail(thrown, errors, { exit: shutdown.exit, kept: undefined });
    }
  } catch (thrown) {
    return fail(thrown, errors);
  }
}

/**
 * `lock --json`: one document. `v` (1), `path`, and for each lockfile entry `repo`, `revision`, `commit`, `files` and
 * `bytes`.
 */
function renderLocksJson(path: string, locks: readonly Lockfile[]): string {
  const document = {
    v: 1,
    path,
    locks: locks.map(({ repo, revision, commit, files }) => ({
      repo: repoRecord(repo),
      revision,
      commit,
      files: files.length,
      bytes: files.reduce((sum, file) => sum + file.size, 0),
    })),
  };
  return `${safeJson(document, 2)}\n`;
}
