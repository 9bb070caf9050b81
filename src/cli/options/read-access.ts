import { existsSync } from 'node:fs';
import { dirname, isAbsolute, join, relative, sep } from 'node:path';
import { type NetworkSettings, UNCHECKED_TLS } from '../../http/network-settings.ts';
import { isLoopback } from '../../http/proxy.ts';
import { readIfThere } from '../../operations/environment-variables.ts';
import { readNetwork } from '../../operations/network-settings.ts';
import { DEFAULTS } from '../../operations/options.ts';
import { findToken } from '../../source/hub/token.ts';
import type { SourceAccess } from '../../source/open-source.ts';
import { dockerLogins, parseLogin, type RegistryLogin } from '../../source/registry/login.ts';
import type { Credential } from '../../source/source.ts';
import { directoryFrom } from '../../system/hub-environment.ts';
import type { TransferSettings } from '../../transfer/transfer-settings.ts';
import { hubEnvironment, workingDirectory } from './path-option.ts';
import { type DownloadOptions, type DownloadSettings, readSettings } from './settings.ts';
import { readSettingsFiles, type SettingsLayer } from './settings-file.ts';

/** Value of NODE_TLS_REJECT_UNAUTHORIZED when the program started. */
let uncheckedTls: string | undefined;

/** Options of an operation, none of them left to a default. */
export type AccessOptions = SourceAccess & TransferSettings;

/** For commands that connect to a hub: settings, credential, and both as options of an operation. */
export interface Access {
  readonly settings: DownloadSettings;
  /** The settings files that were read. */
  readonly layers: readonly SettingsLayer[];
  readonly token: Credential | undefined;
  /** Notes to print before the command starts. */
  readonly notes: readonly string[];
  readonly transfer: AccessOptions;
}

/**
 * Reads the environment, settings files, the token file, and files of certificates; nothing else. Throws USAGE,
 * and ACCESS for an invalid token. `usesDirectory`: the settings decide the directory.
 */
export function parseAccess(options: DownloadOptions, usesDirectory = false): Access {
  const around = hubEnvironment();
  const { home } = around;
  const layers = readSettingsFiles({
    cwd: workingDirectory(),
    home,
    configHome: directoryFrom('XDG_CONFIG_HOME', around)?.path,
    readFile: readIfThere,
    exists: existsSync,
  });
  const settings = readSettings(options, process.env, layers);
  const found = findToken({
    flag: options.token,
    environment: process.env,
    home,
    readFile: readIfThere,
    join,
  });
  const withheld = found !== undefined && isOnlyTheProjects(settings, layers, found);
  const token = withheld ? undefined : found;
  // Node would print its own warning in each thread; the settings carry the value to all of them instead.
  uncheckedTls ??= process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
  delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
  const network = readNetwork({
    variables: { ...process.env, NODE_TLS_REJECT_UNAUTHORIZED: uncheckedTls },
    onlyHosts: settings.onlyHosts.value,
    readFile: readIfThere,
  });
  const notes = [
    ...projectNotes(settings, layers, usesDirectory),
    ...(withheld ? [`no token is sent to ${settings.endpoint.value}: ${WITHHELD}`] : []),
    ...securityNotes(settings.endpoint.value, token, network),
  ];
  const transfer: AccessOptions = {
    endpoint: settings.endpoint.value,
    token,
    logins: () => registryLogins(options.token, around),
    connections: settings.connections.value,
    retry: retryPolicy(settings.retries),
    stallTimeoutMs: settings.stallTimeoutMs.value,
    hubTimeoutMs: settings.hubTimeoutMs.value,
    bytesPerSecond: settings.bytesPerSecond.value,
    protocol: settings.protocol.value,
    transport: settings.transport.value,
    offline: settings.offline.value,
    network,
  };
  return { settings, layers, token, notes, transfer };
}

/** `--token USER:PASSWORD`, or what `docker login` has written down. Throws USAGE for another token. */
function registryLogins(
  flag: string | undefined,
  { home, variables }: ReturnType<typeof hubEnvironment>,
): readonly RegistryLogin[] {
  if (flag !== undefined && flag !== '') return [parseLogin(flag, '--token')];
  const named = variables['DOCKER_CONFIG'];
  const directory = named ? named : home && join(home, '.docker');
  if (directory === undefined) return [];
  const path = join(directory, 'config.json');
  return dockerLogins(readIfThere(path), path);
}

/** Warns that TLS certificates are not checked. */
function securityNotes(
  endpoint: string,
  token: Credential | undefined,
  network: NetworkSettings | undefined,
): string[] {
  const url = new URL(endpoint);
  const open = token !== undefined && url.protocol === 'http:' && !isLoopback(url);
  return [
    ...(network?.insecure === true
      ? [
          `TLS certificates are not checked: ${UNCHECKED_TLS} is set, so all traffic can be read and changed on the way`,
        ]
      : []),
    ...(open
      ? [`the token from ${token.origin} goes to ${url.host} over plain http: it can be read on the way`]
      : []),
  ];
}

/** An explicit number of tries also applies to a hub that is not reached. */
function retryPolicy({ value: tries, origin }: DownloadSettings['retries']): TransferSettings['retry'] {
  return { ...DEFAULTS.retry, tries, ...(origin === 'default' ? {} : { unreachedTries: tries }) };
}

const WITHHELD =
  'only the settings file of the project names it. Say --endpoint or HF_ENDPOINT if it is meant';

/** Notes what a project's settings file decides and the user may not expect: another hub, or a directory outside of the project. */
function projectNotes(
  { endpoint, directory }: DownloadSettings,
  layers: readonly SettingsLayer[],
  usesDirectory: boolean,
): string[] {
  const file = layers.find(({ kind }) => kind === 'project')?.path;
  if (file === undefined) return [];
  const path = relative(dirname(file), directory.value);
  const isOutside = path === '..' || path.startsWith(`..${sep}`) || isAbsolute(path);
  const decided = [
    ...(endpoint.origin === file && endpoint.value !== DEFAULTS.endpoint
      ? [`the endpoint ${endpoint.value}`]
      : []),
    ...(usesDirectory && directory.origin === file && isOutside
      ? [`the directory ${directory.value}, outside of the project`]
      : []),
  ];
  return decided.length === 0 ? [] : [`the settings file ${file} says ${decided.join(', and ')}`];
}

/** A project's settings file may come from a stranger: it must not send the user's token to another hub. */
function isOnlyTheProjects(
  { endpoint }: DownloadSettings,
  layers: readonly SettingsLayer[],
  token: Credential,
): boolean {
  const project = layers.some(({ kind, path }) => kind === 'project' && path === endpoint.origin);
  const own = layers.find(({ kind }) => kind === 'user')?.values.get('endpoint');
  return (
    project && token.origin !== '--token' && endpoint.value !== DEFAULTS.endpoint && own !== endpoint.value
  );
}
