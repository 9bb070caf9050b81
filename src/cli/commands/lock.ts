import { resolve } from 'node:path';
import { lockRevisions } from '../../library/lock.ts';
import { FetchError, toFetchError } from '../../model/error.ts';
import type { Emit } from '../../model/event.ts';
import { repoPath } from '../../model/repo.ts';
import { parseTarget } from '../../model/target.ts';
import { formatBytes, formatCount, printable } from '../../report/format.ts';
import { openReporter } from '../compose.ts';
import { composeAccess } from '../compose-access.ts';
import { requireReplaceable } from '../compose-locks.ts';
import { Contacts } from '../contacts.ts';
import { fail } from '../fail.ts';
import { Interruption } from '../interruption.ts';
import { processEnvironment } from '../process-environment.ts';
import type { DownloadOptions } from '../settings.ts';
import { writeLock } from '../write-lock.ts';

const DEFAULT_FILE = 'models.lock';

export interface LockCommand {
  readonly repos: readonly string[];
  readonly options: DownloadOptions;
}

/** `fetch lock REPO…`: writes the lock file, and prints its path. */
export async function runLock({ repos, options }: LockCommand): Promise<number> {
  const errors = { verbose: options.verbose ?? false };
  try {
    const { settings, notes, transfer } = composeAccess(options);
    if (options.revision !== undefined && repos.length > 1) {
      throw new FetchError('USAGE', '--revision fits one repository only.', {
        hint: 'Write each as OWNER/NAME:REV.',
      });
    }
    const path = resolve(options.lock ?? DEFAULT_FILE);
    requireReplaceable(path);
    const targets = repos.map((text) => {
      const { endpoint } = transfer;
      const target = parseTarget(text, { endpoint, revision: options.revision, repoType: settings.repoType });
      const selection = { path: target.path, include: options.include ?? [], exclude: options.exclude ?? [] };
      return {
        repo: target.repo,
        revision: target.revision ?? 'main',
        mayBeQuantisation: target.revisionOrigin === 'colon',
        quantisation: target.quantisation,
        weights: settings.weights,
        selection,
      };
    });
    const reporter = await openReporter(options, settings, repos.join(', '));
    using interruption = new Interruption(settings.timeoutMs.value, () => reporter.close());
    const contacts = new Contacts();
    const emit: Emit = (event) => {
      contacts.emit(event);
      reporter.emit(event);
    };
    for (const message of notes) emit({ type: 'note', message });
    try {
      const environment = processEnvironment();
      const locks = await lockRevisions(targets, transfer, environment, emit, interruption.signal);
      reporter.close();
      contacts.print(options.verbose);
      await writeLock(path, locks);
      for (const { repo, files } of options.quiet ? [] : locks) {
        const bytes = files.reduce((sum, file) => sum + file.size, 0);
        const size = `${formatCount(files.length, 'file')}, ${formatBytes(bytes)}`;
        process.stderr.write(`fetch: locked ${printable(repoPath(repo))}: ${size}\n`);
      }
      process.stdout.write(`${path}\n`);
      return 0;
    } catch (thrown) {
      reporter.close();
      contacts.print(options.verbose);
      return fail(toFetchError(thrown), errors, { exit: interruption.exit, kept: undefined });
    }
  } catch (thrown) {
    return fail(toFetchError(thrown), errors);
  }
}
