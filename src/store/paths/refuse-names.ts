import { FetchError } from '../../model/error.ts';
import type { NameProblem } from './safe-path.ts';

const MAX_SHOWN = 10;

/** Throws DISK if there are any, naming the first of them. */
export function refuseNames(directory: string, problems: readonly NameProblem[], advice: string): void {
  if (problems.length === 0) return;
  const shown = problems.slice(0, MAX_SHOWN).map(({ path, reason }) => `${JSON.stringify(path)} (${reason})`);
  const more = problems.length > shown.length ? `, and ${problems.length - shown.length} more` : '';
  const names = problems.length === 1 ? 'a name' : `${problems.length} names`;
  throw new FetchError('DISK', `${names} cannot be written to ${directory}: ${shown.join(', ')}${more}`, {
    hint: `Nothing was written. ${advice}`,
  });
}
