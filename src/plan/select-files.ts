import { FetchError } from '../model/error.ts';
import { nearest } from '../model/nearest.ts';
import type { RemoteFile } from '../model/remote-file.ts';
import type { TargetPath } from '../model/target.ts';
import { compileFilter, compilePattern, isPattern } from './patterns.ts';

/** The part of a revision to select; without any field, all of it. */
export interface Selection {
  /** The arguments after the repository: files, directories (`onnx/`, `onnx`) or patterns. */
  readonly names?: readonly string[];
  /** The path in the URL of the repository; it counts as one more name, never as a pattern. */
  readonly path?: TargetPath | undefined;
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
}

/** Entries that an error lists; the others are counted. */
const MAX_SHOWN = 5;
/** Levels of directories that are suggested for a misspelt name. */
const MAX_DEPTH = 8;

/**
 * The files of a listing that a selection matches, in the order of the listing.
 *
 * A name matches the file of exactly that path; else, if the listing has such a directory, all files below it; else,
 * with `*`, `?` or `[` in it, it is a pattern. A name without a match is NOT_FOUND, even if other names match.
 *
 * Names and filters combine: names select, then `include` and `exclude` filter what they selected. (`hf` ignores
 * filters when files are named and refuses them when directories are.) A selection without any file is NOT_FOUND as
 * well, with a hint at what exists.
 */
export function selectFiles(files: readonly RemoteFile[], selection: Selection): RemoteFile[] {
  const named = selectNamed(files, selection);
  const filter = compileFilter(selection.include, selection.exclude);
  const selected = named.filter((file) => filter(file.path));
  if (selected.length === 0 && isFiltered(selection)) throw nothingLeft(named, selection);
  return selected;
}

function isFiltered(selection: Selection): boolean {
  return (selection.include ?? []).length > 0 || (selection.exclude ?? []).length > 0;
}

function selectNamed(files: readonly RemoteFile[], selection: Selection): readonly RemoteFile[] {
  const names: TargetPath[] = (selection.names ?? []).map((path) => ({ path, kind: 'either' }));
  const wanted = selection.path === undefined ? names : [...names, selection.path];
  if (wanted.length === 0) return files;
  const listing = new Listing(files);
  const found = new Set<string>();
  const missing: string[] = [];
  for (const [index, name] of wanted.entries()) {
    const paths = listing.match(name, index < names.length);
    if (paths.length === 0) missing.push(name.path);
    for (const path of paths) found.add(path);
  }
  if (missing.length > 0) throw notFound(missing, listing);
  return files.filter((file) => found.has(file.path));
}

/** A listing with an index to look names up. */
class Listing {
  readonly paths: readonly string[];
  readonly #files: ReadonlySet<string>;

  constructor(files: readonly RemoteFile[]) {
    this.paths = files.map((file) => file.path);
    this.#files = new Set(this.paths);
  }

  match({ path, kind }: TargetPath, patterns: boolean): readonly string[] {
    if (kind !== 'folder' && this.#files.has(path)) return [path];
    // Shells complete names to `./onnx/`, and to `onnx\` on Windows.
    const clean = path.replaceAll('\\', '/').replace(/^(\.\/+)+/, '');
    if (kind !== 'folder' && this.#files.has(clean)) return [clean];
    const directory = clean.replace(/\/+$/, '');
    const below = kind === 'file' ? [] : this.paths.filter((other) => other.startsWith(`${directory}/`));
    if (below.length > 0) return below;
    const matching = patterns && isPattern(clean) ? this.paths.filter(compilePattern(clean)) : [];
    return matching.length > 0 ? matching : this.#otherNormalForm(clean, directory, kind);
  }

  /** Composed and decomposed letters look the same; keyboards write the former, macOS the latter. */
  #otherNormalForm(clean: string, directory: string, kind: TargetPath['kind']): readonly string[] {
    const plain = (text: string) => text.normalize('NFC');
    const same = this.paths.filter((path) => plain(path) === plain(clean));
    if (kind !== 'folder' && same.length > 0) return same;
    return kind === 'file' ? [] : this.paths.filter((path) => plain(path).startsWith(`${plain(directory)}/`));
  }

  nearest(name: string): string[] {
    const directories = Array.from(new Set(this.paths.flatMap(directoriesOf)));
    return nearest(
      name,
      name.endsWith('/') ? [...directories, ...this.paths] : [...this.paths, ...directories],
    );
  }
}

/** `a/b/c.txt` → `a/`, `a/b/`, down to `MAX_DEPTH` levels. */
function directoriesOf(path: string): string[] {
  const segments = path.split('/', MAX_DEPTH + 1).slice(0, -1);
  return segments.map((_, index) => `${segments.slice(0, index + 1).join('/')}/`);
}

function notFound(missing: readonly string[], listing: Listing): FetchError {
  const near = missing.slice(0, MAX_SHOWN).flatMap((name) => listing.nearest(name));
  const what = missing.length === 1 ? 'No file or folder is called' : 'No files or folders are called';
  return new FetchError('NOT_FOUND', `${what} ${enumerate(missing)} in this revision.`, {
    hint:
      near.length > 0 ? `Did you mean ${enumerate(Array.from(new Set(near)))}?` : whatExists(listing.paths),
  });
}

function nothingLeft(files: readonly RemoteFile[], { include = [], exclude = [] }: Selection): FetchError {
  const paths = files.map((file) => file.path);
  if (include.length === 0 || paths.some(compileFilter(include))) {
    return new FetchError('NOT_FOUND', `--exclude ${enumerate(exclude)} leaves no file.`, {
      hint: whatExists(include.length === 0 ? paths : paths.filter(compileFilter(include))),
    });
  }
  return new FetchError('NOT_FOUND', `No file matches --include ${enumerate(include)}.`, {
    hint: likelyMistake(paths, include) ?? whatExists(paths),
  });
}

/** A hint for the two usual mistakes in patterns. */
function likelyMistake(paths: readonly string[], include: readonly string[]): string | undefined {
  const lower = compileFilter(include.map((pattern) => pattern.toLowerCase()));
  const otherCase = paths.filter((path) => lower(path.toLowerCase()));
  if (otherCase.length > 0) return `Upper and lower case count: there is ${enumerate(otherCase)}.`;
  const below = compileFilter(include.map((pattern) => `${pattern}/`));
  if (paths.some(below)) return 'A folder is written with a slash at its end, as in "onnx/".';
  return undefined;
}

function whatExists(paths: readonly string[]): string {
  if (paths.length === 0) return 'There are no files to choose from.';
  return `There ${paths.length === 1 ? 'is' : 'are'} ${enumerate(paths)}.`;
}

function enumerate(names: readonly string[]): string {
  const shown = names.slice(0, MAX_SHOWN).join(', ');
  return names.length > MAX_SHOWN ? `${shown} and ${names.length - MAX_SHOWN} more` : shown;
}
