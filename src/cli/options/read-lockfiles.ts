import { existsSync } from 'node:fs';
import { FetchError } from '../../model/error.ts';
import { repoPath } from '../../model/repo.ts';
import { namesRevision } from '../../model/revision-id.ts';
import type { Target } from '../../model/target.ts';
import { hasQuantisation } from '../../operations/download/resolve-quantisation.ts';
import { type Lockfile, readLocks } from '../../store/records/lockfile.ts';
import { pathOption } from './places.ts';
import { type ParsedCommand, parseCommand } from './read-command.ts';
import type { DownloadOptions } from './settings.ts';

/** What one command line is to do: a download, or several if a lock file names several repositories. */
export interface Jobs {
  readonly jobs: readonly ParsedCommand[];
  /** Absolute path of the lock file to write afterwards. */
  readonly writeLock: string | undefined;
}

/** From words to downloads; throws USAGE, and INTEGRITY if a lock does not have what is asked for. */
export function parseJobs(
  repo: string | undefined,
  names: readonly string[],
  options: DownloadOptions,
): Jobs {
  const { lock, frozen = false } = options;
  if (lock === undefined) {
    if (frozen) throw usage('--frozen needs --lock FILE.', 'Say which lock is to be obeyed.');
    if (repo === undefined)
      throw usage(
        'No repository is named.',
        'For example: fetch OWNER/NAME, fetch OWNER/NAME --revision BRANCH --dry-run, or fetch branches OWNER/NAME for what there is. See `fetch --help`.',
      );
    return { jobs: [parseCommand(repo, names, options)], writeLock: undefined };
  }
  const path = pathOption('--lock', lock);
  if (options.fits !== undefined && (frozen || repo === undefined))
    throw usage('--fits and a lock that is to be obeyed both say what to fetch.', 'Leave one of them out.');
  if (repo === undefined) return { jobs: allOf(path, options), writeLock: undefined };
  if (frozen) return { jobs: [frozenJob(path, repo, names, options)], writeLock: undefined };
  requireReplaceable(path);
  return { jobs: [parseCommand(repo, names, options)], writeLock: path };
}

/** Whatever stands at that path is replaced only if it is a lock file too. Throws before anything is done. */
export function requireReplaceable(path: string): void {
  if (existsSync(path)) readLocks(path);
}

/** `fetch --lock FILE`: without a repository the lock itself is what is asked for. */
function allOf(path: string, options: DownloadOptions): ParsedCommand[] {
  const locks = readLocks(path);
  const { revision, localDir } = options;
  if (revision !== undefined)
    throw usage(
      '--revision needs a repository.',
      'Name the repository before it, or leave it out: the lock file names the revisions.',
    );
  if (localDir !== undefined && locks.length > 1) {
    const hint = 'Leave --local-dir out, or name one of the repositories and add --frozen.';
    throw usage(`--local-dir cannot hold the ${locks.length} repositories of ${path}.`, hint);
  }
  return locks.map((lock) => {
    const job = parseCommand(repoPath(lock.repo), [], { ...options, revision: lock.revision });
    return bound(job, lock);
  });
}

function frozenJob(
  path: string,
  repo: string,
  names: readonly string[],
  options: DownloadOptions,
): ParsedCommand {
  const asked = parseCommand(repo, names, options);
  const { target } = asked;
  const locks = readLocks(path).filter(
    ({ repo: { type, id } }) => type === target.repo.type && id === target.repo.id,
  );
  const rev = target.revision;
  const fitting = locks.filter(
    ({ revision, commit }) => rev === undefined || rev === revision || namesRevision(rev, commit),
  );
  const quantised = fitting.length === 0 ? withQuantisation(asked, locks) : undefined;
  if (quantised !== undefined) return quantised;
  const lock = fitting.length === 1 ? fitting[0] : fitting.find(({ revision }) => revision === 'main');
  if (lock === undefined) {
    const name = `${repoPath(target.repo)}${rev === undefined ? '' : ` at ${rev}`}`;
    const revisions = locks.map(({ revision }) => revision).join(', ');
    throw new FetchError('INTEGRITY', `${path} does not lock ${name}`, {
      hint:
        locks.length === 0
          ? 'Write the lock anew without --frozen.'
          : `It locks ${revisions}: name one of them, or write the lock anew without --frozen.`,
    });
  }
  const job = rev === undefined ? parseCommand(repo, names, { ...options, revision: lock.revision }) : asked;
  return bound(job, lock);
}

/** `REPO:Q4_K_M` may mean a quantisation of `main`, if the lock has one of that name. */
function withQuantisation(asked: ParsedCommand, locks: readonly Lockfile[]): ParsedCommand | undefined {
  const { revision, revisionOrigin } = asked.target;
  const lock = locks.find((one) => one.revision === 'main');
  if (revision === undefined || revisionOrigin !== 'colon' || lock === undefined) return undefined;
  const files = lock.files.map(({ path, size }) => ({ path, size, digest: undefined }));
  if (!hasQuantisation(files, revision)) return undefined;
  const job = bound(asked, lock);
  const target: Target = {
    ...job.target,
    revision: 'main',
    revisionOrigin: 'option',
    quantisation: revision,
  };
  return { ...job, target };
}

/** A lock remembers where it was made. Nobody's token goes there unless somebody here names that place. */
function bound(job: ParsedCommand, lock: Lockfile): ParsedCommand {
  const elsewhere = job.settings.endpoint.origin === 'default' && lock.endpoint !== job.request.endpoint;
  const place = elsewhere
    ? { endpoint: recordedEndpoint(lock.endpoint, `the lock of ${repoPath(lock.repo)}`), token: undefined }
    : {};
  return { ...job, request: { ...job.request, ...place, lock } };
}

/** An endpoint out of a file, checked like one from the command line. It is not printed: it may hold a password. */
export function recordedEndpoint(text: string, holder: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '')
    return text;
  throw new FetchError('INTEGRITY', `the endpoint in ${holder} is not the address of a hub`, {
    hint: 'Say where to fetch from with --endpoint https://HOST.',
  });
}

function usage(message: string, hint: string): FetchError {
  return new FetchError('USAGE', message, { hint });
}
