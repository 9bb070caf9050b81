import { FetchError } from '../../model/error.ts';
import type { Emit } from '../../model/event.ts';
import { repoPath } from '../../model/repo.ts';
import { download, type PlanOutcome, plan } from '../../operations/download/download.ts';
import { manifestPath } from '../../operations/download/records.ts';
import type { DownloadOutcome } from '../../operations/download/run-download.ts';
import { lockOfManifest } from '../../operations/lock.ts';
import { doneLine } from '../../report/progress/json-reporter.ts';
import { interruptedSummary, runFacts, successSummary } from '../../report/progress/summary.ts';
import { Tally } from '../../report/progress/tally.ts';
import { renderPlanJson, renderPlanTable, renderPrunable } from '../../report/tables/plan-table.ts';
import { localPath } from '../../store/paths/safe-path.ts';
import type { Lockfile } from '../../store/records/lockfile.ts';
import { openReporter, type ParsedCommand, reportTime, settingLines } from '../options/read-command.ts';
import { parseJobs } from '../options/read-lockfiles.ts';
import type { DownloadOptions } from '../options/settings.ts';
import { writeLock } from '../options/write-lockfile.ts';
import { ContactedHosts } from '../process/contacted-hosts.ts';
import { fail } from '../process/fail.ts';
import { limitYoungGeneration } from '../process/heap.ts';
import { JobControl } from '../process/job-control.ts';
import { processEnvironment } from '../process/process-environment.ts';
import { ShutdownSignals } from '../process/signals.ts';
import { tableColumns, writeOut } from '../process/standard-output.ts';
import { StatusDump } from '../process/status-dump.ts';
import { chooseFitting } from './choose-fitting.ts';

export interface DownloadCommand {
  /** Undefined if a lock file says what to fetch. */
  readonly repo: string | undefined;
  readonly names: readonly string[];
  readonly options: DownloadOptions;
  /** The repository is the first word of all: it may have been meant as a command. */
  readonly isFirst?: boolean;
}

/** The default command. Returns the exit code; everything that is to be said has been printed. */
export async function runDownload({ repo, names, options, isFirst }: DownloadCommand): Promise<number> {
  try {
    const { jobs, writeLock: path } = parseJobs(repo, names, options);
    const locks: Lockfile[] = [];
    for (const job of jobs) {
      const word = isFirst === true && repo !== undefined && !/[/:@]/.test(repo) ? repo : undefined;
      const exit = await runJob(job, repo ?? repoPath(job.target.repo), options, locks, word);
      if (exit !== 0) return exit;
    }
    if (path !== undefined && options.dryRun !== true) await writeLock(path, locks);
    return 0;
  } catch (thrown) {
    return fail(thrown, options);
  }
}

async function runJob(
  job: ParsedCommand,
  subject: string,
  options: DownloadOptions,
  locks: Lockfile[],
  word: string | undefined,
): Promise<number> {
  const verbose = options.verbose ?? false;
  let parsed = job;
  // A dry run with --json is one document: events would not be part of it.
  const json = options.json === true && options.dryRun === true ? false : options.json;
  const reporter = await openReporter(
    { ...options, ...(json === undefined ? {} : { json }) },
    parsed.settings,
    subject,
  );
  const tally = new Tally();
  const contacts = new ContactedHosts();
  let started = reportTime.now();
  const emit: Emit = (event) => {
    limitYoungGeneration(event);
    tally.apply(event);
    contacts.emit(event);
    // The plan on stdout says these two.
    const isTwice = options.dryRun === true && (event.type === 'resolved' || event.type === 'planned');
    if (!isTwice) reporter.emit(event);
  };
  using interruption = new ShutdownSignals(parsed.settings.timeoutMs.value, () => reporter.close());
  using _job = new JobControl(reporter);
  try {
    noteObsolete(options, emit);
    for (const message of parsed.notes) emit({ type: 'note', message });
    if (verbose) for (const line of settingLines(parsed)) emit({ type: 'trace', message: line });
    const environment = processEnvironment();
    if (options.fits !== undefined) {
      parsed = await chooseFitting(parsed, options, environment, emit, interruption.signal, () =>
        reporter.pause(),
      );
      // How long somebody thinks about the answer is no part of the download.
      started = reportTime.now();
    }
    using inspection = new StatusDump(verbose, (message) => emit({ type: 'note', message }));
    const { request, target } = parsed;
    const { signal } = interruption;
    const onStatus = (inspect: () => string[]) => inspection.begin(inspect);
    const asked = { ...request, repo: target, environment, signal, onEvent: emit, onStatus };
    if (options.dryRun) {
      const found = await plan(asked);
      reporter.close();
      contacts.print(verbose);
      printPlan(found, options);
      return 0;
    }
    const outcome = await download(asked);
    reporter.close();
    contacts.print(verbose);
    if (options.lock !== undefined && request.lock === undefined) {
      const paths = outcome.plan.files.map((planned) => planned.file.path);
      locks.push(
        lockOfManifest(
          manifestPath({ ...parsed.request, repo: parsed.target.repo }, outcome.revision.id),
          paths,
        ),
      );
    }
    printDone(outcome, parsed, options, tally, reportTime.now() - started);
    return 0;
  } catch (thrown) {
    reporter.close();
    contacts.print(verbose);
    const facts = runFacts(tally, reportTime.now() - started);
    // Advice to run it again helps only where something can be continued.
    const resumable = tally.plan !== undefined && !options.dryRun && facts.doneBytes > 0;
    const kept = resumable ? interruptedSummary(facts) : undefined;
    return fail(perhapsCommand(thrown, word), options, { exit: interruption.exit, kept });
  }
}

/** A word without a slash that no hub knows may have been meant as a command. */
function perhapsCommand(thrown: unknown, word: string | undefined): unknown {
  const isUnknown = thrown instanceof FetchError && (thrown.code === 'NOT_FOUND' || thrown.code === 'ACCESS');
  if (word === undefined || !isUnknown || !thrown.message.includes(word)) return thrown;
  const { code, message, status } = thrown;
  const hint = `${thrown.hint ?? ''} If ${word} was meant as a command: fetch --help lists them.`.trim();
  return new FetchError(code, message, { hint, cause: thrown, status });
}

/** Words of older tools that have nothing to do any more. */
function noteObsolete(options: DownloadOptions, emit: Emit): void {
  if (options.resumeDownload === true) {
    emit({ type: 'note', message: '--resume-download is not needed: downloads always resume' });
  }
  if (options.localDirUseSymlinks !== undefined) {
    emit({ type: 'note', message: '--local-dir-use-symlinks is not needed: files are never links' });
  }
}

function printPlan({ plan: found, directory, staleFiles }: PlanOutcome, options: DownloadOptions): void {
  const text = options.json
    ? renderPlanJson(found, directory, staleFiles?.prunable)
    : renderPlanTable(found, { directory, columns: tableColumns() }) +
      renderPrunable(staleFiles?.prunable ?? []);
  writeOut(text.endsWith('\n') ? text : `${text}\n`);
}

function printDone(
  outcome: DownloadOutcome,
  parsed: ParsedCommand,
  options: DownloadOptions,
  tally: Tally,
  elapsedMs: number,
): void {
  const path = resultPath(outcome, parsed);
  const { totals } = outcome.plan;
  if (!options.quiet) process.stderr.write(`fetch: ${successSummary(runFacts(tally, elapsedMs))}\n`);
  if (!options.json) {
    writeOut(`${path}\n`);
    return;
  }
  const { files, bytes } = totals;
  const { id: commit } = outcome.revision;
  const line = doneLine({ path, commit, files, bytes, fetchedBytes: outcome.fetchedBytes, elapsedMs });
  writeOut(line);
}

/** The directory; the file, when exactly one was named. */
function resultPath(
  { plan: { files }, directory }: DownloadOutcome,
  { request, target }: ParsedCommand,
): string {
  const { files: names = [], include = [], exclude = [] } = request;
  const named = [...names, ...(target.path === undefined ? [] : [target.path.path])];
  const only = files.length === 1 ? files[0]?.file.path : undefined;
  const isFile =
    only !== undefined && named.length === 1 && include.length + exclude.length === 0 && named[0] === only;
  return isFile ? localPath(directory, only) : directory;
}
