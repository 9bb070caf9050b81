import { arch, platform } from 'node:os';
import type { HttpClient, HttpClientOptions } from '../../http/client.ts';
import { CHECK_NAMES, type Check } from '../../model/diagnostic.ts';
import { FetchError } from '../../model/error.ts';
import type { Emit } from '../../model/event.ts';
import { VERSION } from '../../model/version.ts';
import { DEFAULT_SOURCE, sourceKind } from '../../source/naming.ts';
import { openHttp, openSource, type SourceAccess } from '../../source/open-source.ts';
import { retrying } from '../../system/retry.ts';
import type { RunContext } from '../../system/run-context.ts';
import type { RevisionName } from '../download/resolver.ts';
import { CheckRunner, type Finding } from './check-runner.ts';
import { checkDisk } from './disk-checks.ts';
import { checkFiles, type FileCheckContext } from './file-checks.ts';
import {
  checkCertificate,
  checkClock,
  checkConnection,
  checkLimits,
  checkLogin,
  checkNames,
  checkProxy,
  checkToken,
  IS_REGISTRY,
  type Probe,
  probeEndpoint,
  WHO_AM_I,
} from './hub-checks.ts';
import type { Recorder } from './recording/recorder.ts';

/** The oldest version of Node that is supported. */
const MIN_NODE = [20, 19] as const;
const ADDRESS_TIMEOUT_MS = 5000;

/** What to check. */
export interface DiagnosticsInput {
  /** With few tries: a check reports a failure soon. */
  readonly access: SourceAccess;
  /** Undefined to check no repository. */
  readonly target: RevisionName | undefined;
  /** Absolute path of the target of a download. */
  readonly directory: string;
  /** The version of Node, `22.11.0`. */
  readonly node: string;
  /** The settings with their origins. */
  readonly settings: Finding;
  /** Gets every exchange. */
  readonly recorder?: Recorder | undefined;
}

/**
 * Checks everything between here and a file. Reports each check as soon as it is known, and returns all of them. Rejects
 * only when the signal ends it. Files that it writes are removed at the end.
 */
export async function runDiagnostics(
  input: DiagnosticsInput,
  run: RunContext,
  onCheck: (check: Check) => void,
): Promise<readonly Check[]> {
  const { directory, node, settings } = input;
  const runner = new CheckRunner(onCheck, run.signal);
  await runner.check('program', () => checkProgram(node));
  await runner.check('settings', () => settings);
  const bytes = await checkNetwork(runner, input, run);
  await checkDisk(runner, directory, bytes, run.environment);
  return runner.checks;
}

function checkProgram(node: string): Finding {
  const message = `fetch ${VERSION}, Node ${node}, ${platform()} ${arch()}`;
  const [major = 0, minor = 0] = node.split('.').map(Number);
  const [minMajor, minMinor] = MIN_NODE;
  if (major > minMajor || (major === minMajor && minor >= minMinor)) return { message };
  const hint = `Use Node ${MIN_NODE.join('.')} or later.`;
  throw new FetchError('USAGE', `${message}: this Node is too old`, { hint });
}

const FILE_CHECKS = CHECK_NAMES.slice(CHECK_NAMES.indexOf('repository'), CHECK_NAMES.indexOf('directory'));
const NETWORK_CHECKS = CHECK_NAMES.slice(CHECK_NAMES.indexOf('proxy'), CHECK_NAMES.indexOf('directory'));

/** The network checks behind a check that failed. */
function after(name: (typeof CHECK_NAMES)[number]): readonly (typeof CHECK_NAMES)[number][] {
  return NETWORK_CHECKS.slice(NETWORK_CHECKS.indexOf(name) + 1);
}

/** Returns the bytes of the revision, if it could be listed. */
async function checkNetwork(
  runner: CheckRunner,
  input: DiagnosticsInput,
  run: RunContext,
): Promise<number | undefined> {
  const { access, target } = input;
  if (access.offline) {
    runner.skip(NETWORK_CHECKS, 'offline: no request is made');
    return undefined;
  }
  const retry = retryWith(runner, access, run);
  const open = (more: ClientOptions = {}) => openClient(input, run, more);
  using http = open();
  const isHub = sourceKind(target?.repo.source) === DEFAULT_SOURCE;
  if (!(await checkEndpoint(runner, access, { http, isHub, retry, run }))) return undefined;
  if (target === undefined) {
    runner.skip(FILE_CHECKS, 'name a repository to look at: fetch doctor OWNER/NAME');
    return undefined;
  }
  const emit: Emit = (event) => {
    if (event.type === 'retrying') noteRetry(runner, event.message, event.delayMs);
    run.emit(event);
  };
  const { endpoint, token, network } = access;
  return await checkFiles(runner, target, {
    http,
    openHttp: open,
    openSource: () => openSource(target.repo, { access, run: { ...run, emit }, http }),
    isHub,
    endpoint,
    token,
    network,
    clock: run.environment.clock,
    signal: run.signal,
    retry,
  });
}

type ClientOptions = Parameters<FileCheckContext['openHttp']>[0] & {};

/** A client whose exchanges the recorder sees. */
function openClient(
  { access, recorder }: DiagnosticsInput,
  run: RunContext,
  more: ClientOptions,
): HttpClient {
  // One of several addresses is often dead: each gets a short time.
  const hubTimeoutMs =
    more.dialer === undefined ? access.hubTimeoutMs : Math.min(access.hubTimeoutMs, ADDRESS_TIMEOUT_MS);
  const observe: HttpClientOptions['observe'] = (outgoing, request) => {
    const observers = [recorder?.observe(outgoing, request), more.observe?.(outgoing, request)];
    return (phase) => {
      for (const enter of observers) enter?.(phase);
    };
  };
  return openHttp({ ...access, hubTimeoutMs }, run, { ...more, observe });
}

/** A kept connection that the server closed is retried without delay; that says nothing about the network. */
function noteRetry(runner: CheckRunner, message: string, delayMs: number): void {
  if (delayMs > 0) runner.noteRetry(message);
}

function retryWith(
  runner: CheckRunner,
  { retry: policy }: SourceAccess,
  { environment, signal }: RunContext,
): FileCheckContext['retry'] {
  const { clock, random } = environment;
  return (work) =>
    retrying(work, {
      policy,
      clock,
      random,
      signal,
      onRetry: ({ message }, _attempt, delayMs) => noteRetry(runner, message, delayMs),
    });
}

interface EndpointCheckContext extends Pick<FileCheckContext, 'isHub'> {
  readonly http: HttpClient;
  readonly retry: FileCheckContext['retry'];
  readonly run: RunContext;
}

/** Checks how the endpoint is reached, and what it says of us. False if it does not answer. */
async function checkEndpoint(
  runner: CheckRunner,
  access: SourceAccess,
  { http, isHub, retry, run }: EndpointCheckContext,
): Promise<boolean> {
  const { environment, signal } = run;
  await runner.check('proxy', () => checkProxy(access));
  if (!(await runner.check('names', () => checkNames(access, signal)))) {
    runner.skip(after('names'), 'the name of the host is not known');
    return false;
  }
  let answer: Probe | undefined;
  const isReached = await runner.check('connection', async () => {
    const path = isHub ? WHO_AM_I : IS_REGISTRY;
    answer = await retry(() => probeEndpoint({ ...access, path }, http, environment, signal));
    return checkConnection(access, answer);
  });
  if (!isReached || answer === undefined) {
    runner.skip(after('connection'), 'the endpoint does not answer');
    return false;
  }
  const probe = answer;
  await runner.check('certificate', () => checkCertificate(access, probe, environment.clock.now()));
  await runner.check('clock', () => checkClock(probe));
  if (isHub) {
    await runner.check('token', () => checkToken(access.token, probe));
    await runner.check('limits', () => checkLimits(probe, access.token));
  } else {
    const { host } = new URL(access.endpoint);
    await runner.check('token', () => checkLogin(access, host));
    runner.skip(['limits'], 'a registry says none before it is asked for a model');
  }
  return true;
}
