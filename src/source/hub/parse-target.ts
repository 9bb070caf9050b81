import { FetchError } from '../../model/error.ts';
import type { RepoType } from '../../model/repo.ts';
import type { RevisionOrigin, Target, TargetOptions, TargetPath } from '../../model/target.ts';
import { requireRepoId } from './repo-id.ts';
import { decodeSegment, isWebAddress, parseWebAddress, takeRevision } from './web-address.ts';

/** What a text says, before the options are applied. `type` is undefined if it names none. */
interface Reading {
  readonly type: RepoType | undefined;
  readonly id: string;
  readonly revision?: string | undefined;
  readonly origin?: RevisionOrigin;
  readonly path?: TargetPath | undefined;
}

const TYPE_PREFIXES: ReadonlyMap<string, RepoType> = new Map([
  ['models', 'model'],
  ['datasets', 'dataset'],
  ['spaces', 'space'],
]);

/** Other kinds of storage under `hf://`. Taken as owners they would end in a confusing 404. */
const OTHER_KINDS: ReadonlySet<string> = new Set(['buckets', 'kernels']);

/**
 * Understands every way of naming a repository: `OWNER/NAME`, `NAME`, either with `:REV` or `@REV`,
 * `datasets/…` and `spaces/…`, addresses from a browser, and `hf://…`. Throws USAGE with a hint for
 * anything else, and when a revision or a type is given twice and differs.
 */
export function parseHubTarget(text: string, options: TargetOptions): Target {
  const reading = read(text.trim(), options.endpoint);
  const { type, id, origin, path } = reading;
  const { revision, quantisation } = splitQuantisation(reading.revision, origin);
  const suffix = revision === undefined ? '' : `${origin === 'colon' ? ':' : '@'}${revision}`;
  const prefix = type === undefined || type === 'model' ? '' : `${type}s/`;
  return {
    repo: { type: chooseType(type, options.repoType), id: requireRepoId(id, { prefix, suffix }) },
    ...chooseRevision(revision, origin ?? 'default', options.revision),
    path,
    ...(quantisation === undefined ? {} : { quantisation }),
  };
}

/** Revisions cannot contain a colon, so one after `@REV` begins a quantisation. */
function splitQuantisation(
  written: string | undefined,
  origin: RevisionOrigin | undefined,
): { readonly revision: string | undefined; readonly quantisation?: string } {
  const colon = origin === 'at' && written !== undefined ? written.indexOf(':') : -1;
  if (written === undefined || colon <= 0) return { revision: written };
  const quantisation = written.slice(colon + 1);
  if (/^[\w.-]+$/.test(quantisation)) return { revision: written.slice(0, colon), quantisation };
  throw new FetchError(
    'USAGE',
    `${JSON.stringify(quantisation)} behind the revision names no quantisation.`,
    {
      hint: 'Write it as OWNER/NAME@REV:Q4_K_M.',
    },
  );
}

function read(text: string, endpoint: string): Reading {
  if (text === '') {
    throw new FetchError('USAGE', 'No repository is named.', { hint: 'Write it as OWNER/NAME.' });
  }
  if (/^hf:\/\//i.test(text)) return readHfUri(text.slice('hf://'.length));
  if (isWebAddress(text, endpoint)) return readWebAddress(text, endpoint);
  refuseOtherAddresses(text);
  return readShorthand(text);
}

function readWebAddress(text: string, endpoint: string): Reading {
  const parts = parseWebAddress(text, endpoint);
  const path = parts.path === undefined ? undefined : { path: parts.path, kind: parts.pathKind };
  if (parts.revision !== undefined) {
    return { type: parts.type, id: parts.id, revision: parts.revision, origin: 'address', path };
  }
  // Ollama writes `hf.co/OWNER/NAME:REV`.
  return { type: parts.type, ...splitRevision(parts.id), path };
}

/** `[TYPE/]OWNER/NAME[@REV][/PATH]`. Only a repository without an owner can carry the revision first. */
function readHfUri(rest: string): Reading {
  const segments = rest.split('/');
  const type = TYPE_PREFIXES.get(segments[0] ?? '') ?? 'model';
  if (TYPE_PREFIXES.has(segments[0] ?? '')) segments.shift();
  else if (segments.length > 2 && OTHER_KINDS.has(segments[0] ?? '')) {
    throw new FetchError(
      'USAGE',
      `Not a model, dataset or space: hf://${segments[0]}/ is another kind of storage.`,
      {
        hint: 'Name a model as hf://OWNER/NAME, a dataset as hf://datasets/OWNER/NAME.',
      },
    );
  }
  const nameParts = segments[0]?.includes('@') || segments.length === 1 ? 1 : 2;
  const written = segments.splice(0, nameParts).join('/');
  const at = written.indexOf('@');
  if (at < 0) return { type, id: written.replace(/\/$/, ''), path: looseTarget(segments) };
  const behind = [written.slice(at + 1), ...segments];
  const encoded = takeRevision(behind) ?? '';
  const revision = decodeSegment(encoded);
  return { type, id: written.slice(0, at), revision, origin: 'at', path: looseTarget(behind) };
}

function looseTarget(segments: readonly string[]): TargetPath | undefined {
  const text = segments.join('/');
  const path = text.replace(/^\/+|\/+$/g, '');
  if (path === '') return undefined;
  return { path, kind: text.endsWith('/') ? 'folder' : 'either' };
}

function readShorthand(text: string): Reading {
  const slash = text.indexOf('/');
  const type = slash < 0 ? undefined : TYPE_PREFIXES.get(text.slice(0, slash));
  const { id, ...revision } = splitRevision(type === undefined ? text : text.slice(slash + 1));
  return { type, id: id.replace(/\/$/, ''), ...revision };
}

/** Ids contain neither `:` nor `@`, so the first of them begins the revision. */
function splitRevision(text: string): Pick<Reading, 'id' | 'revision' | 'origin'> {
  const index = text.search(/[:@]/);
  if (index < 0) return { id: text };
  const origin = text[index] === ':' ? 'colon' : 'at';
  return { id: text.slice(0, index), revision: text.slice(index + 1), origin };
}

function refuseOtherAddresses(text: string): void {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text) || /^git@/.test(text)) {
    throw new FetchError(
      'USAGE',
      `An address that begins with ${/^[a-z0-9+.-]+(:\/\/|@)/i.exec(text)?.[0]} is not understood.`,
      {
        hint: 'Write the repository as OWNER/NAME, or paste its address from a browser (https://…).',
      },
    );
  }
  if (/^([A-Za-z]:)?[\\/]|^\.{1,2}([\\/]|$)|^~([\\/]|$)|\\/.test(text)) {
    throw new FetchError('USAGE', `${JSON.stringify(text)} looks like a path on this computer.`, {
      hint: 'The first argument is a repository, OWNER/NAME. Say where the files go with --local-dir DIR.',
    });
  }
}

function chooseType(written: RepoType | undefined, option: RepoType | undefined): RepoType {
  if (written !== undefined && option !== undefined && written !== option) {
    throw new FetchError(
      'USAGE',
      `The repository is written as a ${written}, but --repo-type says ${option}.`,
      {
        hint: 'Leave --repo-type out, or write the repository as OWNER/NAME.',
      },
    );
  }
  return written ?? option ?? 'model';
}

const ORIGIN_TEXTS: Record<RevisionOrigin, string> = {
  default: 'by default',
  option: '--revision',
  colon: 'after ":"',
  at: 'after "@"',
  address: 'in the address',
};

function chooseRevision(
  written: string | undefined,
  origin: RevisionOrigin,
  option: string | undefined,
): Pick<Target, 'revision' | 'revisionOrigin'> {
  if (written !== undefined) requireRevisionName(written, ORIGIN_TEXTS[origin]);
  if (option !== undefined) requireRevisionName(option, ORIGIN_TEXTS.option);
  if (written !== undefined && option !== undefined && written !== option) {
    throw new FetchError(
      'USAGE',
      `The revision is given twice: ${written} (${ORIGIN_TEXTS[origin]}) and ${option} (--revision).`,
      {
        hint: 'Keep one of the two.',
      },
    );
  }
  // The option is unambiguous: it never means a quantisation.
  if (option !== undefined) return { revision: option, revisionOrigin: 'option' };
  return { revision: written, revisionOrigin: origin };
}

/**
 * Why a text cannot name a branch, tag, commit or `refs/…`; undefined if it can. These are the rules of git
 * check-ref-format: the Hub keeps its revisions in git.
 */
function revisionNameProblem(name: string): string | undefined {
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

/** Returns the name or throws USAGE. `where` is where it was written: `--revision`, `after ":"`. */
function requireRevisionName(name: string, where: string): string {
  const problem = revisionNameProblem(name);
  if (problem === undefined) return name;
  throw new FetchError('USAGE', `The revision ${JSON.stringify(name)} (${where}) cannot exist: ${problem}.`, {
    hint:
      name === ''
        ? 'Name a branch, tag or commit, or leave the revision out to get main.'
        : 'Write a branch, a tag, a commit or refs/pr/N, for example main.',
  });
}
