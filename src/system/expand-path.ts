import { FetchError } from '../model/error.ts';

export interface PathEnvironment {
  /** Undefined if the system knows none: no HOME, and no entry for the user. */
  readonly home: string | undefined;
  /** Home of another user, for `~NAME`; undefined if there is no such user. */
  readonly homeOf?: ((user: string) => string | undefined) | undefined;
}

/**
 * Replaces a leading `~` or `~NAME` by that home, as a shell and Python's `expanduser` do. `origin` is where the path
 * was written. Throws USAGE if the home is needed and not known.
 */
export function expandHome(path: string, { home, homeOf }: PathEnvironment, origin: string): string {
  const [, user, rest = ''] = /^~([^/\\]*)([/\\].*)?$/s.exec(path) ?? [];
  if (user === undefined) return path;
  if (user !== '') {
    const other = homeOf?.(user);
    return other === undefined ? path : other + rest;
  }
  if (home !== undefined) return home + rest;
  throw new FetchError('USAGE', `${origin} begins with ~, and no home directory is known here.`, {
    hint: 'Set HOME, or write the whole path.',
  });
}

type Variables = Readonly<Record<string, string | undefined>>;

/** Replaces `$NAME` and `${NAME}` as Python's `expandvars` does: unset variables stay as they are written. */
export function expandVariables(path: string, variables: Variables): string {
  return path.replace(/\$(?:\{(\w+)\}|(\w+))/g, (whole, braced?: string, plain?: string) => {
    return variables[braced ?? plain ?? ''] ?? whole;
  });
}
