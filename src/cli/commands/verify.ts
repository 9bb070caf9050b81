import { existsSync } from 'node:fs';
import { FetchError, usage } from '../../model/error.ts';
import type { Emit } from '../../model/event.ts';
import type { CheckReport } from '../../model/verify-report.ts';
import { parseStoredName } from '../../operations/ollama/ollama-target.ts';
import { repairOllama } from '../../operations/ollama/verify.ts';
import { repair } from '../../operations/verify/repair.ts';
import { requireManifest, verify } from '../../operations/verify/verify.ts';
import {
  checkSentence,
  countFindings,
  renderCheckJson,
  renderFindings,
} from '../../report/tables/findings.ts';
import { shortName } from '../../store/ollama-name.ts';
import { ollamaModels } from '../options/ollama-location.ts';
import { pathOption } from '../options/path-option.ts';
import { type Access, type AccessOptions, parseAccess } from '../options/read-access.ts';
import { recordedEndpoint } from '../options/read-lockfiles.ts';
import type { VerifyOptions } from '../options/settings.ts';
import { ContactedHosts } from '../process/contacted-hosts.ts';
import { processEnvironment } from '../process/environment.ts';
import { openCheckReporter, openReporter, reportTime } from '../process/open-reporter.ts';
import { fail } from '../process/report-failure.ts';
import { ShutdownSignals } from '../process/signals.ts';
import { writeOut } from '../process/standard-output.ts';

export interface VerifyCommand {
  readonly directory: string;
  readonly options: VerifyOptions;
}

/** What to check: a directory, or a model in a store of Ollama. */
interface Subject {
  /** Absolute. */
  readonly directory: string;
  readonly written: string;
  readonly options: VerifyOptions;
  readonly access: Access;
}

interface Outcome {
  /** Name of the model in a store of Ollama, as `ollama run` takes it. */
  readonly storedName: string | undefined;
  readonly report: CheckReport;
  /** With `--repair`: bytes fetched over the network. */
  readonly fetchedBytes: number | undefined;
}

/** `fetch verify`: exit code 7 for any difference that remains at the end. */
export async function runVerify({ directory, options }: VerifyCommand): Promise<number> {
  const { json = false, quiet = false, verbose = false } = options;
  const started = reportTime.now();
  let access: Access;
  let path: string;
  try {
    path = options.ollama === true ? ollamaModels().value : pathOption('DIR', directory);
    refuseContradictions(options, directory);
    access = parseAccess(options);
  } catch (thrown) {
    return fail(thrown, { verbose, json });
  }
  using shutdown = new ShutdownSignals(access.settings.timeoutMs.value, () => {});
  let outcome: Outcome;
  try {
    outcome = await executeVerify({ directory: path, written: directory, options, access }, shutdown.signal);
  } catch (thrown) {
    // In place of the document, which is printed below with the differences.
    const isAborted = shutdown.exit !== undefined;
    const ending = { exit: shutdown.exit, kept: 'nothing was decided' };
    return fail(
      options.ollama === true ? thrown : perhapsRepository(thrown, directory),
      { verbose, json },
      isAborted ? ending : undefined,
    );
  }
  const { report, fetchedBytes, storedName } = outcome;
  if (!quiet) process.stderr.write(`fetch: ${checkSentence(report, reportTime.now() - started)}\n`);
  const counts = report.findings.filter(({ kind }) => kind !== 'extra' || options.allowExtra !== true);
  const whole = counts.length === 0;
  if (json) writeOut(renderCheckJson(report, { fetchedBytes, ok: whole }));
  else writeOut(renderFindings(report.findings) + (whole ? `${storedName ?? report.directory}\n` : ''));
  return whole ? 0 : fail(different({ ...report, findings: counts }, options), { verbose: false });
}

async function executeVerify(
  { directory, written, options, access }: Subject,
  signal: AbortSignal,
): Promise<Outcome> {
  const { endpoint } = access.transfer;
  const stored =
    options.ollama === true ? { models: directory, target: parseStoredName(written, endpoint) } : undefined;
  const storedName = stored && shortName(stored.target.name);
  for (const note of options.quiet === true ? [] : access.notes) process.stderr.write(`fetch: ${note}\n`);
  const environment = processEnvironment();
  const contactedHosts = new ContactedHosts();
  const look = async (quick: boolean): Promise<CheckReport> => {
    const watch = openCheckReporter(options, access.settings);
    const note: Emit = (event) => {
      contactedHosts.emit(event);
      if (event.type === 'note' || (event.type === 'trace' && options.verbose === true))
        process.stderr.write(`fetch: ${event.message}\n`);
    };
    try {
      const { repo, revision } = options;
      const { settings, transfer } = access;
      const against = repo === undefined ? {} : { repo, revision, repoType: settings.repoType };
      const run = { environment, signal, onEvent: note };
      const ollama = stored && written;
      return await verify({ ...transfer, ...against, ...run, ollama, directory, quick, watch });
    } finally {
      watch.close();
    }
  };
  const report = await look(options.quick ?? false);
  if (options.repo !== undefined) contactedHosts.print(options.verbose);
  if (options.repair !== true) return { storedName, report, fetchedBytes: undefined };
  const wrong = report.findings.filter((finding) => finding.kind !== 'extra');
  if (wrong.length === 0) return { storedName, report, fetchedBytes: 0 };
  if (options.quiet !== true) process.stderr.write(`fetch: repairing: ${countFindings(wrong)}\n`);
  const { json: _one, ...plain } = options;
  const reporter = await openReporter(plain, access.settings, directory);
  try {
    const emit: Emit = (event) => {
      contactedHosts.emit(event);
      reporter.emit(event);
    };
    const context = { environment, emit, signal };
    const fetchedBytes =
      stored === undefined
        ? await repair(directory, wrong, repairFrom(directory, access), context)
        : await repairOllama(stored, wrong, access.transfer, context);
    reporter.close();
    contactedHosts.print(options.verbose);
    // Repaired files were hashed when they arrived; the result of the other files still applies.
    return {
      storedName,
      report: { ...report, findings: report.findings.filter(({ kind }) => kind === 'extra') },
      fetchedBytes,
    };
  } finally {
    reporter.close();
  }
}

/** The hint for `fetch verify OWNER/NAME`: the command takes a directory. */
function perhapsRepository(thrown: unknown, written: string): unknown {
  const [, name] = /^[\w.-]+\/([\w.-]+)$/.exec(written) ?? [];
  if (name === undefined || !(thrown instanceof FetchError) || thrown.code !== 'NOT_FOUND') return thrown;
  if (existsSync(written)) return thrown;
  const hint = existsSync(name)
    ? `A directory is checked, not a repository, and ./${name} is here: fetch verify ${name}.`
    : `A directory is checked, not a repository: fetch verify DIR, or fetch verify DIR --repo ${written}.`;
  return new FetchError(thrown.code, thrown.message, { hint, cause: thrown });
}

function refuseContradictions(options: VerifyOptions, written: string): void {
  const { repo, revision, repoType, repair: wanted } = options;
  if (options.ollama === true && [repo, revision, repoType].some((one) => one !== undefined)) {
    throw usage(
      '--ollama compares with the manifest in the store of Ollama, not with a repository.',
      'Leave --repo, --revision and --repo-type out, and name the model: fetch verify --ollama NAME:TAG.',
    );
  }
  if (options.ollama === true && written === '.') {
    throw usage(
      'No model is named.',
      'Name it as ollama run does: fetch verify --ollama NAME:TAG. See their names with ollama list.',
    );
  }
  if (repo === undefined && (revision !== undefined || repoType !== undefined)) {
    throw usage(
      '--revision and --repo-type belong to --repo.',
      'Name the repository with --repo, or leave them out: the manifest of the directory says what it is.',
    );
  }
  if (repo !== undefined && wanted === true) {
    throw usage(
      '--repair works with the manifest, not with --repo.',
      'To make a directory what a revision is: fetch REPO --revision REV --local-dir DIR.',
    );
  }
}

/**
 * The manifest's endpoint, unless the command line names one. Without a token then, because the token was not meant
 * for it.
 */
function repairFrom(directory: string, { settings, transfer }: Access): AccessOptions {
  const { endpoint } = requireManifest(directory);
  if (settings.endpoint.origin !== 'default' || endpoint === settings.endpoint.value) return transfer;
  return {
    ...transfer,
    endpoint: recordedEndpoint(endpoint, `the manifest of ${directory}`),
    token: undefined,
  };
}

function different(report: CheckReport, options: VerifyOptions): FetchError {
  const { findings, directory } = report;
  const onlyExtra = findings.every((finding) => finding.kind === 'extra');
  return new FetchError('INTEGRITY', `${directory} differs: ${countFindings(findings)}`, {
    hint: onlyExtra
      ? 'Extra files are left alone. If they are yours: --allow-extra; else remove them.'
      : options.repo === undefined
        ? 'Fetch what is wrong again with --repair.'
        : 'Make it right with fetch REPO --revision REV --local-dir DIR.',
  });
}
