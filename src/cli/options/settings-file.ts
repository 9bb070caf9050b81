import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { FetchError, usage } from '../../model/error.ts';
import { nearest } from '../../model/nearest.ts';
import { expandHome } from '../../system/expand-path.ts';

/** Keys of a settings file. Values are parsed as those of the options of that name. */
export const FILE_KEYS = [
  'endpoint',
  'connections',
  'limitRate',
  'retries',
  'stallTimeout',
  'timeout',
  'progress',
  'onlyHosts',
  'directory',
] as const;

export type FileKey = (typeof FILE_KEYS)[number];

/** A settings file that was found. */
export interface SettingsLayer {
  /** Absolute path. */
  readonly path: string;
  /** A project's file may come with a cloned repository; the user's own file is theirs. */
  readonly kind: 'project' | 'user';
  readonly values: ReadonlyMap<FileKey, string>;
}

export interface SettingsPlaces {
  /** Absolute; undefined if the working directory was deleted. */
  readonly cwd: string | undefined;
  /** Undefined if unknown. */
  readonly home: string | undefined;
  /** XDG_CONFIG_HOME; undefined or empty for `~/.config`. */
  readonly configHome: string | undefined;
  /** Undefined if there is no such file. */
  readonly readFile: (path: string) => string | undefined;
  readonly exists: (path: string) => boolean;
}

const PROJECT_FILE = 'fetch.config.json';

/**
 * The project's file before the user's: `fetch.config.json` here or in a directory above, up to the root of the git
 * repository; `~/.config/fetch/config.json`. Throws USAGE for invalid content.
 */
export function readSettingsFiles(places: SettingsPlaces): readonly SettingsLayer[] {
  const { home, configHome, readFile } = places;
  const config = configHome || (home === undefined ? undefined : join(home, '.config'));
  const user = config && join(config, 'fetch', 'config.json');
  return [
    { path: findProjectFile(places), kind: 'project' as const },
    { path: user, kind: 'user' as const },
  ].flatMap(({ path, kind }) => {
    const text = path === undefined ? undefined : readFile(path);
    return path === undefined || text === undefined ? [] : [{ path, kind, values: parse(text, path, home) }];
  });
}

function findProjectFile({ cwd, exists }: SettingsPlaces): string | undefined {
  if (cwd === undefined) return undefined;
  for (let directory = cwd; ; directory = dirname(directory)) {
    if (exists(join(directory, PROJECT_FILE))) return join(directory, PROJECT_FILE);
    if (exists(join(directory, '.git')) || dirname(directory) === directory) return undefined;
  }
}

function parse(text: string, path: string, home: string | undefined): Map<FileKey, string> {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    throw new FetchError('USAGE', `${path} is not JSON: ${(cause as Error).message}`, {
      cause,
      hint: 'Fix the file or move it away: it only holds settings.',
    });
  }
  if (document === null || typeof document !== 'object' || Array.isArray(document))
    throw invalid(path, 'is not a JSON object');
  return new Map(
    Object.entries(document).map(([key, value]) => {
      const known = FILE_KEYS.find((candidate) => candidate === key);
      if (known === undefined) throw unknownKey(path, key);
      return [known, known === 'directory' ? directory(path, home, value) : plain(path, key, value)];
    }),
  );
}

function plain(path: string, key: string, value: unknown): string {
  if (typeof value === 'string' || typeof value === 'number') return String(value);
  const isList = Array.isArray(value) && value.every((entry) => typeof entry === 'string');
  if (key === 'onlyHosts' && isList) return value.join(',');
  throw invalid(path, `has a value for "${key}" that is neither a text nor a number`);
}

/** Relative to the file that names it, so that it means the same wherever a command is run. */
function directory(path: string, home: string | undefined, value: unknown): string {
  const text = plain(path, 'directory', value);
  if (text.trim() === '') throw invalid(path, 'has an empty "directory"');
  const expanded = expandHome(text, { home }, `"directory" in ${path}`);
  if (expanded !== text) return expanded;
  return isAbsolute(text) ? text : resolve(dirname(path), text);
}

function unknownKey(path: string, key: string): FetchError {
  if (key === 'token') {
    return usage(
      `${path} holds a token, which does not belong in a settings file.`,
      'Use HF_TOKEN, or `hf auth login`, which keeps it in a file of its own.',
    );
  }
  const close = nearest(key, FILE_KEYS, 1);
  const hint = close.length > 0 ? `Did you mean "${close[0]}"?` : `Known are ${FILE_KEYS.join(', ')}.`;
  return new FetchError('USAGE', `${path} has an unknown setting "${key}".`, { hint });
}

function invalid(path: string, what: string): FetchError {
  return usage(`${path} ${what}.`, `See "Settings files" in docs/cli.md for ${basename(path)}.`);
}
