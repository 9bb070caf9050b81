import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { TransferSettings } from '../library/carry-out.ts';
import { DEFAULT_ENDPOINT } from '../source/hub/endpoints.ts';
import { findToken, type Token } from '../source/hub/token.ts';
import { DEFAULT_RETRY_POLICY } from '../system/retry.ts';
import { readNetwork } from './network-settings.ts';
import { type DownloadOptions, type DownloadSettings, readSettings } from './settings.ts';
import { readSettingsFiles, type SettingsLayer } from './settings-file.ts';

const STALL_TIMEOUT_MS = 30_000;

/** What every command that may speak to a hub needs: the settings, the credential, and both as the library wants them. */
export interface Access {
  readonly settings: DownloadSettings;
  /** The settings files that were read. */
  readonly layers: readonly SettingsLayer[];
  readonly token: Token | undefined;
  /** What people should hear before anything happens. */
  readonly notes: readonly string[];
  readonly transfer: TransferSettings;
}

/**
 * Reads the environment, settings files, the token file, and files of certificates; nothing else. Throws USAGE,
 * and ACCESS for a token that is none.
 */
export function composeAccess(options: DownloadOptions): Access {
  const layers = readSettingsFiles({
    cwd: process.cwd(),
    home: homedir(),
    configHome: process.env['XDG_CONFIG_HOME'],
    readFile: readIfThere,
    exists: existsSync,
  });
  const defaults = {
    endpoint: DEFAULT_ENDPOINT,
    retries: DEFAULT_RETRY_POLICY.tries,
    stallTimeoutMs: STALL_TIMEOUT_MS,
  };
  const settings = readSettings(options, process.env, defaults, layers);
  const found = findToken({
    flag: options.token,
    environment: process.env,
    home: homedir(),
    readFile: readIfThere,
    join,
  });
  const withheld = found !== undefined && isOnlyTheProjects(settings, layers, found);
  const token = withheld ? undefined : found;
  const notes = withheld ? [`no token is sent to ${settings.endpoint.value}: ${WITHHELD}`] : [];
  const transfer: TransferSettings = {
    endpoint: settings.endpoint.value,
    token,
    connections: settings.connections.value,
    retry: { ...DEFAULT_RETRY_POLICY, tries: settings.retries.value },
    stallTimeoutMs: settings.stallTimeoutMs.value,
    hubTimeoutMs: settings.hubTimeoutMs.value,
    bytesPerSecond: settings.bytesPerSecond.value,
    transport: settings.transport.value,
    offline: settings.offline.value,
    network: readNetwork({
      variables: process.env,
      onlyHosts: settings.onlyHosts.value,
      readFile: readIfThere,
    }),
  };
  return { settings, layers, token, notes, transfer };
}

const WITHHELD =
  'only the settings file of the project names it. Say --endpoint or HF_ENDPOINT if it is meant';

/** A settings file comes with somebody's repository: it must not send the token of whoever works there elsewhere. */
function isOnlyTheProjects(
  { endpoint }: DownloadSettings,
  layers: readonly SettingsLayer[],
  token: Token,
): boolean {
  const project = layers.some(({ kind, path }) => kind === 'project' && path === endpoint.origin);
  const own = layers.find(({ kind }) => kind === 'user')?.values.get('endpoint');
  return (
    project && token.origin !== '--token' && endpoint.value !== DEFAULT_ENDPOINT && own !== endpoint.value
  );
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
