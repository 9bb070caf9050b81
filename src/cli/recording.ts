import { arch, homedir, hostname, platform, userInfo } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import { proxyFor } from '../http/proxy.ts';
import type { Check } from '../model/diagnostic.ts';
import { formatCount } from '../model/format.ts';
import { VERSION } from '../model/version.ts';
import type { DiagnosticsInput } from '../operations/doctor/diagnose.ts';
import { isKnown } from '../operations/doctor/recording/known-words.ts';
import { Recorder } from '../operations/doctor/recording/recorder.ts';
import { accountTexts, toRecording } from '../operations/doctor/recording/recording.ts';
import { refuseOtherFile, writeRecording } from '../operations/doctor/recording/write-recording.ts';
import { systemClock } from '../system/clock.ts';
import { pathOption } from './options/path-option.ts';
import type { Access } from './options/read-access.ts';

/** The recording of `fetch doctor --record`: the exchanges so far, and the file they go to. */
export interface Tape {
  readonly recorder: Recorder;
  readonly checks: Check[];
  /** Writes the file. Returns the sentence that says so. */
  write(): Promise<string>;
}

/** Throws USAGE before any request if the file must not be replaced. */
export async function openTape(
  file: string,
  { target, node }: DiagnosticsInput,
  access: Access,
): Promise<Tape> {
  const path = pathOption('--record', file);
  const { endpoint, network } = access.transfer;
  await refuseOtherFile(path);
  const recorder = new Recorder(systemClock);
  const checks: Check[] = [];
  return {
    recorder,
    checks,
    write: async () => {
      // Responses that were just aborted report it in the next turn of the loop.
      await setImmediate();
      const recording = toRecording(recorder, {
        program: `fetch ${VERSION}`,
        node,
        system: `${platform()} ${arch()}`,
        nowMs: systemClock.now(),
        endpoint,
        proxy: network !== undefined && proxyFor(network, new URL(endpoint)) !== undefined,
        target: target && { type: target.repo.type, id: target.repo.id, revision: target.revision },
        checks,
        secrets: [...ownSecrets(access), ...accountTexts(recorder)],
      });
      await writeRecording(path, recording);
      const exchanges = formatCount(recording.exchanges.length, 'exchange');
      return `${exchanges} recorded in ${path}, without tokens, names and addresses of yours: read it before you attach it`;
    },
  };
}

/** Secrets of this machine and its user. */
function ownSecrets({ transfer }: Access): string[] {
  const { token, network } = transfer;
  const proxies = [network?.httpProxy, network?.httpsProxy].flatMap((proxy) => {
    if (proxy === undefined) return [];
    const { username, password, hostname: host } = new URL(proxy.url);
    return [decodeURIComponent(username), decodeURIComponent(password), host];
  });
  const machine = [homedir(), hostname(), userName()].filter((text) => !isKnown(text));
  return [...(token === undefined ? [] : [token.value]), ...proxies, ...machine];
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // No passwd entry, as in some containers.
    return '';
  }
}
