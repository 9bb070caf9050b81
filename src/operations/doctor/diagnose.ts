import { arch, platform } from 'node:os';
import type { HttpClientOptions } from '../../http/client.ts';
import { CHECK_NAMES, type Check } from '../../model/diagnostic.ts';
import { FetchError } from '../../model/error.ts';
import type { Emit } from '../../model/event.ts';
import { VERSION } from '../../model/version.ts';
import { DEFAULT_SOURCE, sourceKind } from '../../source/naming.ts';
import { openHttp, openSource, type SourceAccess } from '../../source/open-source.ts';
import type { Environment } from '../../system/environment.ts';
import { retrying } from '../../system/retry.ts';
import { CheckRunner, type Finding } from './check-runner.ts';
import { checkDisk } from './disk-checks.ts';
import { type AskedFor, checkFiles, type FileCheckContext } from './file-checks.ts';
import {
  checkCertificate,
  checkClock,
  checkConnection,
  checkLimits,
  checkNames,
  checkProxy,
  checkToken,
  IS_REGISTRY,
  type Probe,
  probeHub,
  WHO_AM_I,
} from './hub-checks.ts';
import type { Recorder } from './recording/recorder.ts';

/** The oldest Node that this program is made for. */
const MIN_NODE = [20, 19] as const;
const ADDRESS_TIMEOUT_MS = 5000;

/** What is to be looked at. */
export interface DiagnosticsInput {
  /** With two tries or so: a failure is to be seen, not waited out. */
  readonly access: SourceAccess;
  /** Undefined to look at no repository. */
  readonly asked: AskedFor | undefined;
  /** Absolute path of where a download would go. */
  readonly directory: string;
  /** The version of Node, `22.11.0`. */
  readonly node: string;
  /** What the settings are, and where they come from. */
  readonly settings: Finding;
  /** Hears every exchange. */
  readonly recorder?: Recorder | undefined;
}

/**
 * Looks at everything between here and a file. Tells each check as soon as it is known, and returns all of them. Rejects
 * only when the signal ends it. What it writes is gone at the end.
 */
export async function runDiagnostics(
  input: DiagnosticsInput,
  environment: Environment,
  emit: Emit,
  signal: AbortSignal,
  onCheck: (check: Check) => void,
): Promise<readonly Check[]> {
  const { directory, node, settings } = input;
  const runner = new CheckRunner(onCheck, signal);
  await runner.look('program', () => checkProgram(node));
  await runner.look('settings', () => settings);
  const bytes = await checkNetwork(runner, input, environment, emit, signal);
  await checkDisk(runner, directory, bytes, environment);
  return runner.checks;
}

function checkProgram(node: string): Finding {
  const message = `fetch ${VERSION}, Node ${node}, ${platform()} ${arch()}`;
  const [major = 0, minor = 0] = node.split('.').map(Number);
  const [least, leastMinor] = MIN_NODE;
  if (major > least || (major === least && minor >= leastMinor)) return { message };
  const hint = `Use Node ${MIN_NODE.join('.')} or later.`;
  throw new FetchError('USAGE', `${message}: this Node is too old`, { hint });
}

const OF_FILES = CHECK_NAMES.slice(CHECK_NAMES.indexOf('repository'), CHECK_NAMES.indexOf('directory'));
const OF_NETWORK = CHECK_NAMES.slice(CHECK_NAMES.indexOf('proxy'), CHECK_NAMES.indexOf('directory'));

/** Returns the bytes of the revision, if it could be listed. */
async function checkNetwork(
  runner: CheckRunner,
  { access, asked, recorder }: DiagnosticsInput,
  environment: Environment,
  emit: Emit,
  signal: AbortSignal,
): Promise<number | undefined> {
  const after = (name: (typeof CHECK_NAMES)[number]) => OF_NETWORK.slice(OF_NETWORK.indexOf(name) + 1);
  if (access.offline) {
    runner.skip(OF_NETWORK, 'offline: nobody is asked');
    return undefined;
  }
  const { clock, random } = environment;
  const isHub = sourceKind(asked?.repo.source) === DEFAULT_SOURCE;
  const openClient: FileCheckContext['openHttp'] = (more = {}) => {
    // Of several addresses a dead one is common: each gets a short while.
    const hubTimeoutMs =
      more.dialer === undefined ? access.hubTimeoutMs : Math.min(access.hubTimeoutMs, ADDRESS_TIMEOUT_MS);
    const observe: HttpClientOptions['observe'] = (outgoing, request) => {
      const told = [recorder?.observe(outgoing, request), more.observe?.(outgoing, request)];
      return (phase) => {
        for (const tell of told) tell?.(phase);
      };
    };
    return openHttp({ ...access, hubTimeoutMs }, environment, emit, { ...more, observe });
  };
  const http = openClient();
  // A kept connection that the server closed is retried at once; that says nothing about the network.
  const onRetry = (message: string, delayMs: number) => {
    if (delayMs > 0) runner.noteRetry(message);
  };
  const trying = <T>(work: () => Promise<T>): Promise<T> =>
    retrying(work, {
      policy: access.retry,
      clock,
      random,
      signal,
      onRetry: ({ message }, _attempt, delayMs) => onRetry(message, delayMs),
    });
  const watched: Emit = (event) => {
    if (event.type === 'retrying') onRetry(event.message, event.delayMs);
    emit(event);
  };
  try {
    await runner.look('proxy', () => checkProxy(access));
    if (!(await runner.look('names', () => checkNames(access, signal)))) {
      runner.skip(after('names'), 'the name of the host is not known');
      return undefined;
    }
    let probe: Probe | undefined;
    const answers = await runner.look('connection', async () => {
      const question = isHub ? WHO_AM_I : IS_REGISTRY;
      probe = await trying(() => probeHub({ ...access, question }, http, environment, signal));
      return checkConnection(access, probe);
    });
    if (!answers || probe === undefined) {
      runner.skip(after('connection'), 'the hub does not answer');
      return undefined;
    }
    const answer = probe;
    await runner.look('certificate', () => checkCertificate(access, answer, clock.now()));
    await runner.look('clock', () => checkClock(answer));
    if (isHub) {
      await runner.look('token', () => checkToken(access.token, answer));
      await runner.look('limits', () => checkLimits(answer, access.token));
    } else {
      runner.skip(['token', 'limits'], 'a registry says neither before it is asked for a model');
    }
    if (asked === undefined) {
      runner.skip(OF_FILES, 'name a repository to look at: fetch doctor OWNER/NAME');
      return undefined;
    }
    const openAgain = () => openSource(asked.repo, { access, environment, http, emit: watched });
    const { endpoint, token, network } = access;
    const context = {
      http,
      openHttp: openClient,
      openSource: openAgain,
      isHub,
      endpoint,
      token,
      network,
      clock,
      signal,
      trying,
    };
    return await checkFiles(runner, asked, context);
  } finally {
    http.close();
  }
}
