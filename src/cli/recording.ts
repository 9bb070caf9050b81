import { arch, homedir, hostname, platform, userInfo } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import { proxyFor } from '../http/proxy.ts';
import type { Patient } from '../library/doctor/examine.ts';
import { isKnown } from '../library/doctor/recording/known-words.ts';
import { Recorder } from '../library/doctor/recording/recorder.ts';
import { accountTexts, toRecording } from '../library/doctor/recording/recording.ts';
import { refuseOtherFile, writeRecording } from '../library/doctor/recording/write-recording.ts';
import type { Check } from '../model/check.ts';
import { VERSION } from '../model/version.ts';
import { formatCount } from '../report/format.ts';
import { systemClock } from '../system/clock.ts';
import type { Access } from './compose-access.ts';
import { pathOption } from './places.ts';

/** What `fetch doctor --record` hears, and where it goes. */
export interface Tape {
  readonly recorder: Recorder;
  readonly checks: Check[];
  /** Writes the file. Returns the sentence that says so. */
  write(): Promise<string>;
}

/** USAGE if the file is one that must not be replaced: nothing was asked yet then. */
export async function openTape(file: string, { asked, node }: Patient, access: Access): Promise<Tape> {
  const path = pathOption('--record', file);
  const { endpoint, network } = access.transfer;
  await refuseOtherFile(path);
  const recorder = new Recorder(systemClock);
  const checks: Check[] = [];
  return {
    recorder,
    checks,
    write: async () => {
      // Answers that were just given up say so in a moment.
      await setImmediate();
      const recording = toRecording(recorder, {
        program: `fetch ${VERSION}`,
        node,
        system: `${platform()} ${arch()}`,
        nowMs: systemClock.now(),
        endpoint,
        proxy: network !== undefined && proxyFor(network, new URL(endpoint)) !== undefined,
        asked: asked && { type: asked.repo.type, id: asked.repo.id, revision: asked.revision },
        checks,
        secrets: [...ownSecrets(access), ...accountTexts(recorder)],
      });
      await writeRecording(path, recording);
      const exchanges = formatCount(recording.exchanges.length, 'exchange');
      return `${exchanges} recorded in ${path}, without tokens, names and addresses of yours: read it before you attach it`;
    },
  };
}

/** Of this machine and its user. */
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
    // A user without an entry: containers have such ones.
    return '';
  }
}
