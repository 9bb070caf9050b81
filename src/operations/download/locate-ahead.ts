import type { Emit, TransferEvent } from '../../model/event.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { Revision } from '../../model/repo.ts';
import { weightFormat } from '../../model/weight-format.ts';
import type { Selection } from '../../plan/select-files.ts';
import type { Location } from '../../source/location.ts';
import { can, type Source, type SourceAbilities } from '../../source/source.ts';
import type { RunContext } from '../../system/run-context.ts';
import { type FileSelection, selectFromListing } from './resolver.ts';

/** At most this many files are located before the listing confirms that they exist. */
const MAX_AHEAD = 4;

/**
 * Locates files while the source still lists them, if their names are known: one wait less before their bytes arrive.
 * A failure has no effect: the transfer asks again.
 */
export class LocateAhead implements Pick<Source, 'locate' | 'reconstruct'> {
  readonly reconstruct?: SourceAbilities['reconstruct'];
  readonly #source: Source;
  readonly #aside: Source;
  readonly #run: RunContext;
  /** Events of these requests, emitted when an answer is used. */
  readonly #held: TransferEvent[] = [];
  readonly #asked = new Map<string, Promise<Location | undefined>>();

  /** `openAside` opens the same source a second time, with a separate sink for its events. */
  constructor(
    source: Source,
    { openAside, run }: { readonly openAside: (emit: Emit) => Source; readonly run: RunContext },
  ) {
    this.#source = source;
    if (can(source, 'reconstruct')) this.reconstruct = (...asked) => source.reconstruct(...asked);
    this.#aside = openAside((event) => this.#held.push(event));
    this.#run = run;
  }

  /** Sizes may be unknown. */
  expect(revision: Revision, files: readonly Pick<RemoteFile, 'path' | 'size'>[]): void {
    for (const { path, size } of files.slice(0, MAX_AHEAD)) {
      const file: RemoteFile = { path, size, digest: undefined };
      const location = this.#aside.locate(revision, file, this.#run.signal).catch(() => undefined);
      this.#asked.set(key(revision, path), location);
    }
  }

  async locate(
    revision: Revision,
    file: RemoteFile,
    signal: AbortSignal,
    range?: Parameters<Source['locate']>[3],
  ): Promise<Location> {
    const asked = range === undefined ? this.#take(revision, file.path) : undefined;
    const location = await asked;
    signal.throwIfAborted();
    if (location !== undefined) for (const event of this.#held.splice(0)) this.#run.emit(event);
    return location ?? (await this.#source.locate(revision, file, signal, range));
  }

  /** Each answer serves once: a second request means that the first address was refused. */
  #take(revision: Revision, path: string): Promise<Location | undefined> | undefined {
    const asked = this.#asked.get(key(revision, path));
    this.#asked.delete(key(revision, path));
    return asked;
  }
}

/** A name that refers to one file: with an extension, and without wildcards. */
const FILE_NAME = /^[\w-][\w.-]*(\/[\w-][\w.-]*)*\.\w+$/;

/** A path without dots at the front of any part. */
const PLAIN_NAME = /^[\w-][\w. -]*(\/[\w-][\w. -]*)*$/;
const MAX_NAME = 200;

/** The files that a selection names, assuming that the revision has them. Their sizes are unknown. */
function namedFiles({ names = [], path }: Selection): Pick<RemoteFile, 'path' | 'size'>[] {
  const paths = path === undefined ? names : [...names, path.path];
  return paths.filter((name) => FILE_NAME.test(name)).map((name) => ({ path: name, size: Number.NaN }));
}

/**
 * Of the files whose names are known before the listing, those to locate first: what the request names, else what it
 * selects, weights before all else.
 */
export function filesAhead(
  hints: readonly string[],
  request: FileSelection,
): Pick<RemoteFile, 'path' | 'size'>[] {
  const named = namedFiles(request.selection);
  if (named.length > 0) return named;
  const names = hints.filter((name) => name !== '.gitattributes');
  // Odd names are judged when they are listed, before anything else is asked.
  if (!names.every((name) => PLAIN_NAME.test(name) && name.length <= MAX_NAME)) return [];
  const files = names.map((path): RemoteFile => ({ path, size: Number.NaN, digest: undefined }));
  try {
    const selected = selectFromListing(files, request);
    const isWeights = ({ path }: RemoteFile) => weightFormat(path) !== 'other';
    return [...selected.filter(isWeights), ...selected.filter((file) => !isWeights(file))];
  } catch {
    // The listing decides what does not exist.
    return [];
  }
}

function key({ id }: Revision, path: string): string {
  return `${id} ${path}`;
}
