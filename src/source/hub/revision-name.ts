import { FetchError } from '../../model/error.ts';

/**
 * Says what keeps a text from naming a branch, tag, commit or `refs/…`, or undefined when nothing does.
 * These are git's rules for names of refs: what git cannot store, no hub can have.
 */
export function revisionNameProblem(name: string): string | undefined {
  if (name === '') return 'it is empty';
  if (/\p{Cc}/u.test(name)) return 'it contains a control character';
  if (/\p{Surrogate}/u.test(name)) return 'it is not valid Unicode';
  if (/\s/u.test(name)) return 'it contains a space';
  const strange = /[~^:?*[\\]/.exec(name)?.[0];
  if (strange !== undefined) return `it contains ${JSON.stringify(strange)}`;
  if (name.includes('..')) return 'it contains ".."';
  if (name.includes('@{') || name === '@') return 'git gives "@" a meaning of its own';
  if (name.startsWith('-')) return 'it starts with "-"';
  if (name.endsWith('.')) return 'it ends with "."';
  for (const part of name.split('/')) {
    if (part === '') return 'it starts or ends with "/", or has two of them in a row';
    if (part.startsWith('.')) return 'a part of it starts with "."';
    if (part.endsWith('.lock')) return 'a part of it ends in ".lock"';
  }
  return undefined;
}

/** Returns the name, or refuses it (USAGE). `where` says where it was written: `--revision`, `after ":"`. */
export function requireRevisionName(name: string, where: string): string {
  const problem = revisionNameProblem(name);
  if (problem === undefined) return name;
  throw new FetchError('USAGE', `The revision ${JSON.stringify(name)} (${where}) cannot exist: ${problem}.`, {
    hint:
      name === ''
        ? 'Name a branch, tag or commit, or leave the revision out to get main.'
        : 'Write a branch, a tag, a commit or refs/pr/N, for example main.',
  });
}
