import { readFileSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { isAbsolute } from 'node:path';

/**
 * The home directory of the current user: HOME, else the system's record. Undefined if there is neither, as for a user
 * without an entry in /etc/passwd in a container, for whom Node throws.
 */
export function homeDirectory(): string | undefined {
  for (const find of [homedir, () => userInfo().homedir]) {
    try {
      const directory = find();
      // Ignore an empty or relative HOME: files would go into the working directory.
      if (isAbsolute(directory)) return directory;
    } catch {
      // Try the next one.
    }
  }
  return undefined;
}

/** The home of another user, from /etc/passwd; undefined if it has none. */
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
