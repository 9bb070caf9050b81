import { isAbsolute, join, resolve } from 'node:path';
import { usage } from '../../model/error.ts';
import { expandHome } from '../../system/expand-path.ts';
import { homeDirectory, homeOfUser } from '../../system/home-directory.ts';
import type { HubEnvironment } from '../../system/hub-environment.ts';

/** What the directories of the Hub's clients depend on, in this process. */
export function hubEnvironment(): HubEnvironment {
  return { home: homeDirectory(), homeOf: homeOfUser, variables: process.env, join };
}

/** The working directory; undefined if it was deleted. */
export function workingDirectory(): string | undefined {
  try {
    return process.cwd();
  } catch {
    return undefined;
  }
}

/**
 * The absolute path that an option names. Expands `~`, which shells leave alone behind `=`, in quotes and in YAML. Throws
 * USAGE for an empty path, most often an unset variable.
 */
export function pathOption(option: string, written: string): string {
  if (written.trim() === '') {
    const hint = 'Is a variable in it not set? The working directory is written as a dot.';
    throw usage(`${option} is empty: it needs a path.`, hint);
  }
  const path = expandHome(written, hubEnvironment(), option);
  return isAbsolute(path) ? path : resolve(path);
}
