import { join, sep } from 'node:path';
import { FetchError } from '../../model/error.ts';
import { windowsNameProblem } from '../../model/windows-name.ts';
import { type FoldName, findCollisions, type NameProblem } from './name-collisions.ts';

export type { NameProblem } from './name-collisions.ts';

/** The two families of rules for names. macOS is `posix` with `caseInsensitive`. */
export type NamePlatform = 'posix' | 'win32';

/** The limit of nearly every file system. */
const MAX_SEGMENT_BYTES = 255;
/** Linux allows 4096 bytes with the target directory; this leaves a quarter for that. */
const MAX_PATH_BYTES = 3072;
/** Far more than any repository has. Each level costs a check and a call to create it. */
const MAX_DEPTH = 200;

/** Characters that HFS+ skips when it compares names: `.g\u200cit` opens `.git` there. */
const IGNORABLE = /[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]/g;

/** A name as nearly all are: none of the rules for other systems than Windows can find anything in it. */
const ORDINARY = /^[A-Za-z0-9_-][\w.-]{0,200}(?:\/[A-Za-z0-9_-][\w.-]{0,200})*$/;
/** Characters; keeps the path and its depth within their limits. */
const MAX_ORDINARY = 2 * MAX_DEPTH - 1;

/**
 * Finds the names of a listing that cannot or must not be written, in the order of the listing, each once. Names come from
 * a server: every caller that writes one must check it here first. The rules that keep a name inside the directory, and out
 * of `.git` and our own records, hold on every system, so that a listing is not safe on one machine and dangerous on the
 * next. `folding` is what the file system treats as equal.
 */
export function checkNames(
  paths: readonly string[],
  platform: NamePlatform,
  folding: { readonly caseInsensitive: boolean; readonly normalises?: boolean },
): readonly NameProblem[] {
  const reasons = new Map<string, string>();
  const possible: string[] = [];
  for (const path of paths) {
    const reason = nameProblem(path, platform);
    if (reason === undefined) possible.push(path);
    else reasons.set(path, reason);
  }
  for (const { path, reason } of findCollisions(possible, foldOf(folding))) {
    if (!reasons.has(path)) reasons.set(path, reason);
  }
  return Array.from(new Set(paths)).flatMap((path) => {
    const reason = reasons.get(path);
    return reason === undefined ? [] : [{ path, reason }];
  });
}

/** Whether some of these names are equal on a file system that ignores case or Unicode normalisation. */
export function mayFallTogether(paths: readonly string[]): boolean {
  return findCollisions(paths, foldName).length > 0;
}

function foldOf(folding: {
  readonly caseInsensitive: boolean;
  readonly normalises?: boolean;
}): FoldName | undefined {
  if (folding.caseInsensitive) return foldName;
  return folding.normalises === true ? (name) => name.normalize('NFC') : undefined;
}

/** The reason why a name, regardless of other names, cannot or must not be written; undefined if it can. */
export function nameProblem(path: string, platform: NamePlatform): string | undefined {
  const isOrdinary = path.length <= MAX_ORDINARY && ORDINARY.test(path);
  const problem = isOrdinary ? undefined : carefulProblem(path);
  if (problem !== undefined || platform !== 'win32') return problem;
  return firstProblem(path.split('/'), windowsNameProblem);
}

function carefulProblem(path: string): string | undefined {
  if (path === '') return 'it is empty';
  if (/\p{Surrogate}/u.test(path)) return 'it is not valid Unicode';
  if (/\p{Cc}/u.test(path)) return 'it contains a control character';
  if (path.includes('\\')) return 'it contains a backslash';
  if (path.startsWith('/')) return 'it is absolute';
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) return `it is longer than ${MAX_PATH_BYTES} bytes`;
  const segments = path.split('/');
  if (segments.length > MAX_DEPTH) return `it is more than ${MAX_DEPTH} directories deep`;
  const problem = firstProblem(segments, segmentProblem);
  if (problem !== undefined) return problem;
  return isOwnRecord(segments) ? 'that place is for the records of downloaders' : undefined;
}

const HERE: NamePlatform = sep === '\\' ? 'win32' : 'posix';

/** Whether `localPath` accepts the name. */
export function isLocalName(path: string): boolean {
  return nameProblem(path, HERE) === undefined;
}

/**
 * The absolute path of a file of a repository below `directory`, on this system. Throws DISK for a name that `checkNames`
 * refuses, so that a forgotten check cannot leave the directory.
 */
export function localPath(directory: string, path: string): string {
  const reason = nameProblem(path, HERE);
  if (reason === undefined) return join(directory, ...path.split('/'));
  throw new FetchError('DISK', `The file ${JSON.stringify(path)} cannot be written here: ${reason}.`, {
    hint: 'Leave it out with --exclude, or ask the owner of the repository to rename it.',
  });
}

function firstProblem(
  segments: readonly string[],
  problemOf: (segment: string) => string | undefined,
): string | undefined {
  for (const segment of segments) {
    const problem = problemOf(segment);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function segmentProblem(segment: string): string | undefined {
  if (segment === '') return 'a part of it is empty';
  const visible = segment.replace(IGNORABLE, '');
  if (visible === '') return 'a part of it is invisible';
  if (visible === '.' || visible === '..') return `it contains the part "${visible}"`;
  if (/^[A-Za-z]:/.test(segment)) return 'a part of it starts like a Windows drive';
  if (Buffer.byteLength(segment) > MAX_SEGMENT_BYTES)
    return `a part of it is longer than ${MAX_SEGMENT_BYTES} bytes`;
  // Git runs programs that its directory names, and Windows may know that directory as GIT~1.
  if (/^(\.git|git~\d+)$/.test(plainName(segment))) return 'it would write into a .git directory';
  return undefined;
}

/** `.cache/fetch` is ours and `.cache/huggingface` is shared with `hf`; a file `.cache` would block both. */
function isOwnRecord(segments: readonly string[]): boolean {
  const [first = '', second] = segments.slice(0, 2).map(plainName);
  if (!/^(\.cache|cache~\d+)$/.test(first)) return false;
  return second === undefined || /^(fetch|huggingface|huggin~\d+)$/.test(second);
}

/**
 * The name as the most lenient file system reads it: without case, invisible characters, anything after `:`, and trailing
 * dots.
 */
function plainName(segment: string): string {
  return foldName(segment)
    .replace(/:.*$/su, '')
    .replace(/[. ]+$/, '');
}

/** Equal for names that a file system which ignores case, or normalises Unicode, cannot tell apart. */
function foldName(name: string): string {
  if (/^[ -~]*$/.test(name)) return name.toLowerCase();
  return name.replace(IGNORABLE, '').normalize('NFC').toUpperCase().toLowerCase().normalize('NFC');
}
