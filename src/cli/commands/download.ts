import { setFlagsFromString } from 'node:v8';
import { FetchError } from '../../model/error.ts';
import type { Emit, TransferEvent } from '../../model/event.ts';
import { repoPath } from '../../model/repo.ts';
import { download, type PlanOutcome, plan } from '../../operations/download/download.ts';
import type { DownloadOutcome } from '../../operations/download/download-options.ts';
import { lockOfDownload } from '../../operations/lock.ts';
import { doneLine } from '../../report/progress/json-reporter.ts';
import type { Reporter } from '../../report/progress/reporter.ts';
import { interruptedSummary, runFacts, successSummary } from '../../report/progress/summary.ts';
import { Tally } from '../../report/progress/tally.ts';
import { renderPlanJson, renderPlanTable, renderPrunable } from '../../report/tables/plan-table.ts';
import { openRecords } from '../../store/open-store.ts';
import { localPath } from '../../store/paths/safe-path.ts';
import type { Lockfile } from '../../store/records/lockfile.ts';
import type { Environment } from '../../system/environment.ts';
import { type ParsedCommand, settingLines } from '../options/read-command.ts';
import { parseJobs } from '../options/read-lockfiles.ts';
import type { DownloadOptions } from '../options/settings.ts';
import { writeLock } from '../options/write-lockfile.ts';
import { ContactedHosts } from '../process/contacted-hosts.ts';
import { processEnvironment } from '../process/environment.ts';
import { JobControl } from '../process/job-control.ts';
import { openReporter, reportTime } from '../process/open-reporter.ts';
import { fail } from '../process/report-failure.ts';
import { ShutdownSignals } from '../process/signals.ts';
import { tableColumns, writeOut } from '../process/standard-output.ts';
import { chooseFitting } from './choose-fitting.ts';

export interface DownloadCommand {
  /** Undefined if a lockfile names the repositories. */
  readonly repo: string | undefined;
  readonly names: readonly string[];
  readonly options: DownloadOptions;
  /** `repo` is the first word of the command line: it may have been meant as a command. */
  readonly isFirst?: boolean;
}

/** The default command. Prints results and errors itself; returns the exit code. */
export async function runDownload({ repo, names, options, isFirst }: DownloadCommand): Promise<number> {
  try {
    const { jobs, writeLock: path } = parseJobs(repo, names, options);
    const locks: Lockfile[] = [];
    for (const job of jobs) {
      const word = isFirst === true && repo !== undefined && !/[/:@]/.test(repo) ? repo : undefined;
      const exit = await runJob(job, options, { repo, word }, locks);
      if (exit !== 0) return exit;
    }
    if (path !== undefined && options.dryRun !== true) await writeLock(path, locks);
    return 0;
  } catch (thrown) {
    return fail(thrown, options);
  }
}

/** One download of a command line: its reporter, what it counts, and how it ends. */
interface JobContext {
  readonly options: DownloadOptions;
  readonly reporter: Reporter;
  readonly tally: Tally;
  readonly contactedHosts: ContactedHosts;
  readonly emit: Emit;
  readonly signal: AbortSignal;
  /** On the clock of the reporters, in milliseconds. The wait for an answer at the prompt does not count. */
  startedAt: number;
}

/** Runs a job and reports its result. `locks` receives its lockfile if one was asked for. */
async function runJob(
  job: ParsedCommand,
  options: DownloadOptions,
  { repo, word }: { readonly repo: string | undefined; readonly word: string | undefined },
  locks: Lockfile[],
): Promise<number> {
  const reporter = await openReporter(
    // A dry run with --json prints one document: events are not part of it.
    options.json === true && options.dryRun === true ? { ...options, json: false } : options,
    job.settings,
    repo ?? repoPath(job.target.repo),
  );
  using shutdown = new ShutdownSignals(job.settings.timeoutMs.value, () => reporter.close());
  using _jobControl = new JobControl(reporter);
  const context = jobContext(options, reporter, shutdown.signal);
  try {
    await transferJob(job, context, locks);
    return 0;
  } catch (thrown) {
    closeReporter(context);
    return fail(perhapsCommand(thrown, word), options, { exit: shutdown.exit, kept: keptSummary(context) });
  }
}

function jobContext(options: DownloadOptions, reporter: Reporter, signal: AbortSignal): JobContext {
  const tally = new Tally();
  const contactedHosts = new ContactedHosts();
  const emit: Emit = (event) => {
    limitYoungGeneration(event);
    tally.apply(event);
    contactedHosts.emit(event);
    // A dry run prints these two on stdout.
    const isPrinted = options.dryRun === true && (event.type === 'resolved' || event.type === 'planned');
    if (!isPrinted) reporter.emit(event);
  };
  return { options, reporter, tally, contactedHosts, emit, signal, startedAt: reportTime.now() };
}

async function transferJob(job: ParsedCommand, context: JobContext, locks: Lockfile[]): Promise<void> {
  const { options, emit, signal } = context;
  announce(job, context);
  const environment = processEnvironment();
  const parsed = options.fits === undefined ? job : await askForFitting(job, context, environment);
  using statusDump = new StatusDump(options.verbose ?? false, (message) => emit({ type: 'note', message }));
  const onStatus = (status: () => string[]) => statusDump.begin(status);
  const { request, target } = parsed;
  const asked = { ...request, repo: target, environment, signal, onEvent: emit, onStatus };
  if (options.dryRun) {
    const found = await plan(asked);
    closeReporter(context);
    printPlan(found, options);
    return;
  }
  const outcome = await download(asked);
  closeReporter(context);
  if (options.lock !== undefined && request.lock === undefined) locks.push(lockOf(outcome, parsed));
  printDone(outcome, parsed, context);
}

/** Notes on the command line, and with `--verbose` where each setting comes from. */
function announce(job: ParsedCommand, { options, emit }: JobContext): void {
  noteObsolete(options, emit);
  for (const message of job.notes) emit({ type: 'note', message });
  if (options.verbose) for (const message of settingLines(job)) emit({ type: 'trace', message });
}

async function askForFitting(
  job: ParsedCommand,
  context: JobContext,
  environment: Environment,
): Promise<ParsedCommand> {
  const { options, emit, signal, reporter } = context;
  const chosen = await chooseFitting(job, options, { environment, emit, signal }, () => reporter.pause());
  context.startedAt = reportTime.now();
  return chosen;
}

function closeReporter({ reporter, contactedHosts, options }: JobContext): void {
  reporter.close();
  contactedHosts.print(options.verbose);
}

function lockOf(outcome: DownloadOutcome, { request, target }: ParsedCommand): Lockfile {
  const records = openRecords({ ...request, repo: target.repo });
  return lockOfDownload(outcome, request.endpoint, records.manifest(outcome.revision.id));
}

/** What is kept on disk; undefined where running the same command again would not resume anything. */
function keptSummary({ options, tally, startedAt }: JobContext): string | undefined {
  const facts = runFacts(tally, reportTime.now() - startedAt);
  const resumable = tally.plan !== undefined && !options.dryRun && facts.doneBytes > 0;
  return resumable ? interruptedSummary(facts) : undefined;
}

/** Adds a hint to the error: an unknown name without a slash may have been meant as a command. */
function perhapsCommand(thrown: unknown, word: string | undefined): unknown {
  const isUnknown = thrown instanceof FetchError && (thrown.code === 'NOT_FOUND' || thrown.code === 'ACCESS');
  if (word === undefined || !isUnknown || !thrown.message.includes(word)) return thrown;
  const { code, message, status } = thrown;
  const hint = `${thrown.hint ?? ''} If ${word} was meant as a command: fetch --help lists them.`.trim();
  return new FetchError(code, message, { hint, cause: thrown, status });
}

/** Options of older tools that have no effect. */
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
  { options, tally, startedAt }: JobContext,
): void {
  const elapsedMs = reportTime.now() - startedAt;
  const path = resultPath(outcome, parsed);
  const facts = { ...runFacts(tally, elapsedMs), peerBytes: outcome.peerBytes };
  if (!options.quiet) process.stderr.write(`fetch: ${successSummary(facts)}\n`);
  if (!options.json) {
    writeOut(`${path}\n`);
    return;
  }
  const { fetchedBytes, peerBytes, wireBytes, copiedBytes, revision, ollamaName } = outcome;
  const { files, bytes } = outcome.plan.totals;
  const done = {
    commit: revision.id,
    files,
    bytes,
    fetchedBytes,
    peerBytes,
    wireBytes,
    copiedBytes,
    elapsedMs,
  };
  writeOut(
    doneLine(
      ollamaName === undefined ? { ...done, path } : { ...done, path: outcome.directory, name: ollamaName },
    ),
  );
}

/** The line on stdout: the directory, the file if exactly one was named, or the name that Ollama takes. */
function resultPath(
  { plan: { files }, directory, ollamaName }: DownloadOutcome,
  { request, target }: ParsedCommand,
): string {
  if (ollamaName !== undefined) return ollamaName;
  const { files: names = [], include = [], exclude = [] } = request;
  const named = [...names, ...(target.path === undefined ? [] : [target.path.path])];
  const only = files.length === 1 ? files[0]?.file.path : undefined;
  const isFile =
    only !== undefined && named.length === 1 && include.length + exclude.length === 0 && named[0] === only;
  return isFile ? localPath(directory, only) : directory;
}

/** Interval of status dumps with `--verbose`, in milliseconds. */
const VERBOSE_MS = 30_000;

/**
 * Prints the state of every connection when the process receives SIGUSR1, and regularly with `--verbose`.
 * Windows has no SIGUSR1.
 */
class StatusDump {
  readonly #print: (line: string) => void;
  #status: () => string[] = () => ['nothing is being transferred yet'];
  #timer: NodeJS.Timeout | undefined;
  readonly #onSignal = () => this.#dump();

  constructor(verbose: boolean, print: (line: string) => void) {
    this.#print = print;
    if (process.platform !== 'win32') process.on('SIGUSR1', this.#onSignal);
    if (!verbose) return;
    this.#timer = setInterval(() => this.#dump(), VERBOSE_MS);
    this.#timer.unref();
  }

  begin(status: () => string[]): void {
    this.#status = status;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    if (process.platform !== 'win32') process.off('SIGUSR1', this.#onSignal);
  }

  #dump(): void {
    for (const line of this.#status()) this.#print(line);
  }
}

// Collect before the heap has doubled: a long run allocates much and keeps little.
setFlagsFromString('--heap-growing-percent=25');
// A run ends after seconds. V8's compiler threads, by default, take a third of the processor time of two thousand small
// files; with a larger budget less is compiled, and later. Far larger budgets slow the main thread. Other versions of V8
// may not have the flag, and complain about it: Node 22 does.
if (process.versions.v8.startsWith('11.')) setFlagsFromString('--interrupt-budget=250000');

/** Setting a flag costs more than the rest of an event, so it is not done for every file. */
const FILES_BETWEEN = 64;
let startedFiles = 0;

/**
 * Limits the young generation: allocations here are short-lived, and without the limit V8 lets it grow to 32 MiB with
 * many small files. Every thread that starts resets the flag (V8's `Heap::ConfigureHeap`), so it is set again.
 */
function limitYoungGeneration({ type }: TransferEvent): void {
  if (
    type === 'file-started' ? startedFiles++ % FILES_BETWEEN === 0 : type === 'resolved' || type === 'planned'
  ) {
    setFlagsFromString('--semi-space-growth-factor=1');
  }
}
