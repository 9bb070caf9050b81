import { isAbsolute, join, resolve } from 'node:path';
import { expandHome } from '../../system/expand-path.ts';
import { homeDirectory, homeOfUser } from '../../system/home-directory.ts';
import type { HubSurroundings } from '../../system/hub-environment.ts';
import { usage } from './parse-values.ts';

/** What the folders of the Hub's clients depend on, in this process. */
export function surroundings(): HubSurroundings {
  return { home: homeDirectory(), homeOf: homeOfUser, variables: process.env, join };
}

/** Where the command was started; undefined if that folder is gone. */
export function workingFolder(): string | undefined {
  try {
    return process.cwd();
  } catch {
    return undefined;
  }
}

/**
 * The absolute path that an option names, `~` replaced: no shell does it behind `=`, in quotes or in YAML. Throws USAGE
 * for an empty one, which is most often a variable that is not set.
 */
export function pathOption(option: string, written: string): string {
  if (written.trim() === '') {
    const hint = 'Is a variable in it not set? The folder of the command itself is written as a dot.';
    throw usage(`${option} is empty: it needs a path.`, hint);
  }
  const path = expandHome(written, surroundings(), option);
  return isAbsolute(path) ? path : resolve(path);
}
