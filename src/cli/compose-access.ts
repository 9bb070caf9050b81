import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { TransferSettings } from '../library/carry-out.ts';
import { DEFAULT_ENDPOINT } from '../source/hub/endpoints.ts';
import { findToken, type Token } from '../source/hub/token.ts';
import { DEFAULT_RETRY_POLICY } from '../system/retry.ts';
import { readNetwork } from './network-settings.ts';
import { type DownloadOptions, type DownloadSettings, readSettings } from './settings.ts';

const STALL_TIMEOUT_MS = 30_000;

/** What every command that may speak to a hub needs: the settings, the credential, and both as the library wants them. */
export interface Access {
  readonly settings: DownloadSettings;
  readonly token: Token | undefined;
  readonly transfer: TransferSettings;
}

/** Reads the environment, the token file, and files of certificates; nothing else. Throws USAGE. */
export function composeAccess(options: DownloadOptions): Access {
  const settings = readSettings(options, process.env, {
    endpoint: DEFAULT_ENDPOINT,
    retries: DEFAULT_RETRY_POLICY.tries,
    stallTimeoutMs: STALL_TIMEOUT_MS,
  });
  const token = findToken({
    flag: options.token,
    environment: process.env,
    home: homedir(),
    readFile: readIfThere,
    join,
  });
  const transfer: TransferSettings = {
    endpoint: settings.endpoint.value,
    token,
    connections: settings.connections.value,
    retry: { ...DEFAULT_RETRY_POLICY, tries: settings.retries.value },
    stallTimeoutMs: settings.stallTimeoutMs.value,
    bytesPerSecond: settings.bytesPerSecond.value,
    transport: settings.transport.value,
    offline: settings.offline.value,
    network: readNetwork({
      variables: process.env,
      onlyHosts: options.onlyHosts,
      readFile: readIfThere,
    }),
  };
  return { settings, token, transfer };
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
