import { resolve } from 'node:path';
import type { Check } from '../../model/diagnostic.ts';
import { FetchError, usage } from '../../model/error.ts';
import type { Emit } from '../../model/event.ts';
import { formatRate, printable } from '../../model/format.ts';
import type { RepoRef } from '../../model/repo.ts';
import { type DiagnosticsInput, runDiagnostics } from '../../operations/doctor/diagnose.ts';
import { DEFAULTS } from '../../operations/options.ts';
import { directoryName, revisionNameOf, targetOf } from '../../operations/target.ts';
import { diagnosisSentence, renderCheck, renderDiagnosisJson } from '../../report/tables/diagnosis.ts';
import { DEFAULT_SOURCE, endpointOf, sourceKind } from '../../source/naming.ts';
import { pathOption } from '../options/path-option.ts';
import { type Access, parseAccess } from '../options/read-access.ts';
import type { DownloadOptions } from '../options/settings.ts';
import { ContactedHosts } from '../process/contacted-hosts.ts';
import { processEnvironment } from '../process/environment.ts';
import { fail } from '../process/report-failure.ts';
import { ShutdownSignals } from '../process/signals.ts';
import { tableColumns, writeOut } from '../process/standard-output.ts';
import { openTape } from '../recording.ts';

/** The default repository on huggingface.co: public, old, with files of every size. */
const EXAMPLE = 'openai-community/gpt2';

/** The second try is for a kept connection that was closed meanwhile. Any other check that needs it is a warning. */
const TRIES = 2;

export interface DoctorCommand {
  readonly repo: string | undefined;
  readonly options: DownloadOptions;
}

/** `fetch doctor`: the exit code is that of the first failed check, with which a download would have ended. */
export async function runDoctor({ repo, options }: DoctorCommand): Promise<number> {
  const { json = false, quiet = false, verbose = false } = options;
  const contactedHosts = new ContactedHosts();
  let exit: number | undefined;
  try {
    const access = parseAccess(options, options.localDir === undefined);
    const input = inputOf(repo, options, access);
    using shutdown = new ShutdownSignals(access.settings.timeoutMs.value, () => {});
    const emit: Emit = (event) => {
      contactedHosts.emit(event);
      const isHeard = event.type === 'note' || (event.type === 'trace' && verbose);
      if (isHeard) process.stderr.write(`fetch: ${printable(event.message)}\n`);
    };
    for (const message of quiet ? [] : access.notes) emit({ type: 'note', message });
    const tape = options.record === undefined ? undefined : await openTape(options.record, input, access);
    const recorder = tape?.recorder;
    const columns = tableColumns();
    const onCheck = (check: Check) => {
      tape?.checks.push(check);
      if (!json) writeOut(renderCheck(check, columns));
    };
    let checks: readonly Check[];
    try {
      const run = { environment: processEnvironment(), emit, signal: shutdown.signal };
      checks = await runDiagnostics({ ...input, recorder }, run, onCheck);
    } finally {
      exit = shutdown.exit;
      contactedHosts.print(verbose);
      const recorded = await tape?.write();
      if (recorded !== undefined && !quiet) process.stderr.write(`fetch: ${printable(recorded)}\n`);
    }
    if (json) writeOut(renderDiagnosisJson(checks));
    if (!quiet) process.stderr.write(`fetch: ${diagnosisSentence(checks)}\n`);
    const failure = failureOf(checks);
    return failure === undefined ? 0 : fail(failure, { verbose: false });
  } catch (thrown) {
    return fail(thrown, { verbose, json }, { exit, kept: 'not everything was looked at' });
  }
}

function inputOf(repo: string | undefined, options: DownloadOptions, access: Access): DiagnosticsInput {
  const { settings, transfer } = access;
  const { endpoint } = transfer;
  const { revision } = options;
  if (repo === undefined && (revision !== undefined || options.repoType !== undefined)) {
    throw usage('--revision and --repo-type need a repository.', 'Name it: fetch doctor OWNER/NAME.');
  }
  const example = endpoint === DEFAULTS.endpoint ? EXAMPLE : undefined;
  const text = repo ?? example;
  const target =
    text === undefined
      ? undefined
      : targetOf({ repo: text, revision, repoType: settings.repoType }, endpoint);
  if (target?.path !== undefined) {
    throw usage(
      'The address names a file, but `fetch doctor` checks repositories.',
      'Leave out everything after OWNER/NAME, and name a branch with --revision.',
    );
  }
  const named = repo === undefined || target === undefined ? '.' : directoryName(target);
  return {
    access: {
      ...transfer,
      endpoint: target === undefined ? endpoint : endpointOf(target.repo, endpoint),
      retry: { ...transfer.retry, tries: TRIES },
    },
    target: target && revisionNameOf(target),
    directory:
      options.localDir === undefined
        ? resolve(settings.directory.value, named)
        : pathOption('--local-dir', options.localDir),
    node: process.versions.node,
    settings: settingsFinding(access, target?.repo),
  };
}

/** Settings that can stop or slow a download, and that users tend to forget. */
function settingsFinding({ settings }: Access, repo: RepoRef | undefined): DiagnosticsInput['settings'] {
  const { endpoint, offline, onlyHosts, bytesPerSecond, connections } = settings;
  // The name of a model of a registry says which registry that is.
  const isHub = sourceKind(repo?.source) === DEFAULT_SOURCE;
  const told = [
    repo === undefined || isHub
      ? `endpoint ${endpoint.value} (${endpoint.origin})`
      : `registry ${endpointOf(repo, endpoint.value)}`,
  ];
  const unusual: string[] = [];
  if (offline.value) unusual.push(`offline (${offline.origin})`);
  if (onlyHosts.value !== undefined) unusual.push(`only hosts ${onlyHosts.value} (${onlyHosts.origin})`);
  if (bytesPerSecond.value !== undefined) {
    unusual.push(`at most ${formatRate(bytesPerSecond.value)} (${bytesPerSecond.origin})`);
  }
  if (connections.origin !== 'default') {
    unusual.push(`at most ${connections.value} connections (${connections.origin})`);
  }
  const message = [...told, ...unusual].join(', ');
  if (unusual.length === 0) return { message };
  return {
    state: 'warning',
    message,
    hint: 'Is that meant? fetch config shows every setting and its origin.',
  };
}

function failureOf(checks: readonly Check[]): FetchError | undefined {
  const failed = checks.filter(({ state }) => state === 'failed');
  const [first] = failed;
  if (first === undefined) return undefined;
  const names = failed.map(({ name }) => name).join(', ');
  const what = failed.length === 1 ? 'one check failed' : `${failed.length} checks failed`;
  return new FetchError(first.code ?? 'BUG', `${what}: ${names}`, {
    hint: 'Follow the hint of each, or paste the whole output into a bug report.',
  });
}
