import { FetchError } from '../../model/error.ts';

/** The longest owner and the longest name that the Hub allows. */
const MAX_PART_LENGTH = 96;

/**
 * Why a text cannot be a repository id (`OWNER/NAME`, or `NAME` for the oldest ones); undefined if it can. The rules are
 * the Hub's own, so that a typing mistake costs no request.
 */
export function repoIdProblem(id: string): string | undefined {
  const parts = id.split('/');
  if (parts.length > 2) return 'it has more than one "/"';
  for (const part of parts) {
    if (part === '') return 'a part of it is empty';
    const strange = /[^A-Za-z0-9_.-]/u.exec(part)?.[0];
    if (strange !== undefined) return `it contains ${JSON.stringify(strange)}`;
    if (part.length > MAX_PART_LENGTH) return `a part of it is longer than ${MAX_PART_LENGTH} characters`;
    if (!/^\w/.test(part) || !/\w$/.test(part)) return 'a part of it starts or ends with "-" or "."';
  }
  if (id.includes('--')) return 'it contains "--"';
  if (id.includes('..')) return 'it contains ".."';
  if (id.endsWith('.git')) return 'it ends in ".git"';
  return undefined;
}

/** The text around an id, for suggestions. */
export interface IdContext {
  /** `datasets/` or `spaces/`, if the type was written this way. */
  readonly prefix?: string;
  /** The revision, `:REV` or `@REV`. */
  readonly suffix?: string;
}

/** Returns the id, or throws USAGE with a guess at what was meant. */
export function requireRepoId(id: string, context: IdContext = {}): string {
  const problem = repoIdProblem(id);
  if (problem === undefined) return id;
  throw new FetchError('USAGE', `${JSON.stringify(id)} is not the name of a repository: ${problem}.`, {
    hint:
      meantInstead(id, context) ?? 'A repository is written OWNER/NAME, for example openai-community/gpt2.',
  });
}

function meantInstead(id: string, { prefix = '', suffix = '' }: IdContext): string | undefined {
  const [owner, name, ...rest] = id.replace(/\/+$/, '').split('/');
  const repo = `${owner}/${name}`;
  if (rest.length > 1 && repoIdProblem(repo) === undefined && /^(tree|blob|resolve|raw)$/.test(rest[0]!)) {
    const [, revision, ...path] = rest;
    const words = [`${prefix}${repo}`, ...(path.length > 0 ? [path.join('/')] : []), '--revision', revision!];
    return `That is the end of an address: did you mean \`fetch ${words.map(quote).join(' ')}\`?`;
  }
  if (rest.length > 0 && repoIdProblem(repo) === undefined) {
    const command = `fetch ${quote(`${prefix}${repo}${suffix}`)} ${quote(rest.join('/'))}`;
    return `A file or directory is an argument of its own: did you mean \`${command}\`?`;
  }
  const cleaned = id.replace(/^\/+|\/+$/g, '').replace(/\.git$/, '');
  if (cleaned === id || repoIdProblem(cleaned) !== undefined) return undefined;
  return `Did you mean \`fetch ${quote(`${prefix}${cleaned}${suffix}`)}\`?`;
}

/** Quotes for a shell, because people copy the commands of hints. */
function quote(argument: string): string {
  return /^[\w./:@%+,-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}
