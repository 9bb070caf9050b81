import { readFileSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { isAbsolute } from 'node:path';

/**
 * The home directory of whoever runs this: HOME, else what the system has on record. Undefined where neither says one,
 * as for a user without an entry in /etc/passwd in a container; Node throws there.
 */
export function homeDirectory(): string | undefined {
  for (const find of [homedir, () => userInfo().homedir]) {
    try {
      const folder = find();
      // An empty HOME is none: everything would land in the folder of the command.
      if (isAbsolute(folder)) return folder;
    } catch {
      // Not known that way.
    }
  }
  return undefined;
}

/** The home of another user, by /etc/passwd; undefined where that does not say. */
export function homeOfUser(user: string): string | undefined {
  try {
    const entry = readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .map((line) => line.split(':'))
      .find(([name]) => name === user);
    return entry?.[5] || undefined;
  } catch {
    return undefined;
  }
}
