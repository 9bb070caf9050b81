import { existsSync } from 'node:fs';
import { FetchError, usage } from '../../model/error.ts';
import { isSameRepo, repoPath } from '../../model/repo.ts';
import { namesRevision } from '../../model/revision-id.ts';
import type { Target } from '../../model/target.ts';
import { hasQuantisation } from '../../operations/download/resolve-quantisation.ts';
import { defaultRevision } from '../../source/naming.ts';
import { type Lockfile, listedFile, readLocks } from '../../store/records/lockfile.ts';
import { refuseWithOllama } from './ollama-location.ts';
import { pathOption } from './path-option.ts';
import { type ParsedCommand, parseCommand } from './read-command.ts';
import type { DownloadOptions } from './settings.ts';

/** The downloads of one command line: one, or several if a lockfile names several repositories. */
export interface Jobs {
  readonly jobs: readonly ParsedCommand[];
  /** Absolute path of the lockfile to write afterwards. */
  readonly writeLock: string | undefined;
}

/** Parses a command line into downloads. Throws USAGE, and INTEGRITY if the lockfile lacks what is requested. */
export function parseJobs(
  repo: string | undefined,
  names: readonly string[],
  options: DownloadOptions,
): Jobs {
  const { lock, frozen = false } = options;
  if (options.ollama === true) refuseWithOllama(options, names);
  if (lock === undefined) {
    if (frozen) throw usage('--frozen needs --lock FILE.', 'Name the lockfile to use.');
    if (repo === undefined)
      throw usage(
        'No repository is named.',
        'For example: fetch OWNER/NAME, fetch OWNER/NAME --revision BRANCH --dry-run, or fetch branches OWNER/NAME for what there is. See `fetch --help`.',
      );
    return { jobs: [parseCommand(repo, names, options)], writeLock: undefined };
  }
  const path = pathOption('--lock', lock);
  if (options.fits !== undefined && (frozen || repo === undefined))
    throw usage(
      '--fits and a lockfile with --frozen both determine what to fetch.',
      'Leave one of them out.',
    );
  if (repo === undefined) return { jobs: allOf(path, options), writeLock: undefined };
  if (frozen) return { jobs: [frozenJob(path, repo, names, options)], writeLock: undefined };
  requireReplaceable(path);
  return { jobs: [parseCommand(repo, names, options)], writeLock: path };
}

/** Throws unless the path is free or holds a lockfile: no other file is replaced. */
export function requireReplaceable(path: string): void {
  if (existsSync(path)) readLocks(path);
}

/** `fetch --lock FILE` without a repository: everything in the lockfile. */
function allOf(path: string, options: DownloadOptions): ParsedCommand[] {
  const locks = readLocks(path);
  const { revision, localDir } = options;
  if (revision !== undefined)
    throw usage(
      '--revision needs a repository.',
      'Name the repository before it, or leave it out: the lockfile names the revisions.',
    );
  if (localDir !== undefined && locks.length > 1) {
    const hint = 'Leave --local-dir out, or name one of the repositories and add --frozen.';
    throw usage(`--local-dir cannot hold the ${locks.length} repositories of ${path}.`, hint);
  }
  return locks.map((lock) => {
    const job = parseCommand(repoPath(lock.repo), [], { ...options, revision: lock.revision });
    return withLockfile(job, lock);
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
  const locks = readLocks(path).filter(({ repo }) => isSameRepo(repo, target.repo));
  const rev = target.revision;
  const fitting = locks.filter(
    ({ revision, commit }) => rev === undefined || rev === revision || namesRevision(rev, commit),
  );
  const quantised = fitting.length === 0 ? withQuantisation(asked, locks) : undefined;
  if (quantised !== undefined) return quantised;
  const lock =
    fitting.length === 1
      ? fitting[0]
      : fitting.find(({ revision }) => revision === defaultRevision(target.repo));
  if (lock === undefined) {
    const name = `${repoPath(target.repo)}${rev === undefined ? '' : ` at ${rev}`}`;
    const revisions = locks.map(({ revision }) => revision).join(', ');
    throw new FetchError('INTEGRITY', `${path} does not lock ${name}`, {
      hint:
        locks.length === 0
          ? 'Write a new lockfile: run without --frozen.'
          : `It locks ${revisions}: name one of them, or write a new lockfile by a run without --frozen.`,
    });
  }
  const job = rev === undefined ? parseCommand(repo, names, { ...options, revision: lock.revision }) : asked;
  return withLockfile(job, lock);
}

/** `REPO:Q4_K_M` may mean a quantisation of `main`, if the lockfile has one of that name. */
function withQuantisation(asked: ParsedCommand, locks: readonly Lockfile[]): ParsedCommand | undefined {
  const { revision, revisionOrigin } = asked.target;
  const lock = locks.find((one) => one.revision === 'main');
  if (revision === undefined || revisionOrigin !== 'colon' || lock === undefined) return undefined;
  const files = lock.files.map(listedFile);
  if (!hasQuantisation(files, revision)) return undefined;
  const job = withLockfile(asked, lock);
  const target: Target = {
    ...job.target,
    revision: 'main',
    revisionOrigin: 'option',
    quantisation: revision,
  };
  return { ...job, target };
}

/** Pins the job to a lockfile. The endpoint in the lockfile gets no token unless this command line names the endpoint. */
function withLockfile(job: ParsedCommand, lock: Lockfile): ParsedCommand {
  const elsewhere = job.settings.endpoint.origin === 'default' && lock.endpoint !== job.request.endpoint;
  const place = elsewhere
    ? { endpoint: recordedEndpoint(lock.endpoint, `the lock of ${repoPath(lock.repo)}`), token: undefined }
    : {};
  return { ...job, request: { ...job.request, ...place, lock } };
}

/** An endpoint from a file, checked as one from the command line. Not printed, because it may contain a password. */
export function recordedEndpoint(text: string, holder: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '')
    return text;
  throw new FetchError('INTEGRITY', `the endpoint in ${holder} is not the address of a hub`, {
    hint: 'Say where to fetch from with --endpoint https://HOST.',
  });
}
