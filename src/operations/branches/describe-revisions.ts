import type { BranchSubject } from '../../branches/branch-subject.ts';
import { type Card, readCard } from '../../branches/card.ts';
import { describeBranch } from '../../branches/describe-branch.ts';
import { readCardText } from '../../branches/small-files.ts';
import type { BranchRow, BranchTable } from '../../model/branch-facts.ts';
import { FetchError } from '../../model/error.ts';
import type { Emit } from '../../model/event.ts';
import { findQuantisation } from '../../model/find-quantisation.ts';
import { nearest } from '../../model/nearest.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import { type NamedRef, pinnedRevision, type RepoRef, type Revision } from '../../model/repo.ts';
import { DEFAULT_SOURCE, sourceKind } from '../../source/naming.ts';
import { openHttp, openSource, type SourceAccess } from '../../source/open-source.ts';
import { can, type ScanFinding, type Source, type SourceThatCan } from '../../source/source.ts';
import { ResponseCache } from '../../store/records/response-cache.ts';
import type { Environment } from '../../system/environment.ts';
import { pickRevision } from '../download/resolve-quantisation.ts';
import { CachedReader } from './cached-reader.ts';
import { tagInFull, tagTable } from './describe-tags.ts';

/** Which branches of which repository are to be described. */
export interface BranchesRequest extends SourceAccess {
  readonly repo: RepoRef;
  /** One revision in full; undefined for the table of all branches. */
  readonly revision: string | undefined;
  /** The revision may be a quantisation of `main` instead. */
  readonly mayBeQuantisation: boolean;
  /** One quantisation of the revision; undefined for all of it. */
  readonly variant: string | undefined;
  /** Absolute path of the folder for answers that never change; undefined for none. */
  readonly cacheFolder: string | undefined;
}

/** More branches than anybody looks at cost more requests than the Hub grants in five minutes. */
const MAX_BRANCHES = 200;

/**
 * Describes the branches of a repository from their own files. One request for the branches, one for the listing of each,
 * and a few for small files and headers, in parallel. What cannot be read is a remark in its row.
 */
export async function describeBranches(
  request: BranchesRequest,
  environment: Environment,
  emit: Emit,
  signal: AbortSignal,
): Promise<BranchTable> {
  const http = openHttp(request, environment, emit);
  try {
    const source = openSource(request.repo, { access: request, environment, http, emit });
    if (!can(source, 'branches') || !can(source, 'read')) throw notDescribed(request.repo);
    const cache = request.cacheFolder === undefined ? undefined : new ResponseCache(request.cacheFolder);
    const reader = new CachedReader(source, cache, request.endpoint, signal);
    const table = await tableFor(request, source, reader, signal);
    // Rows report what could not be read; an abort is not such a remark.
    signal.throwIfAborted();
    cache?.prune(environment.clock.now());
    return table;
  } finally {
    http.close();
  }
}

async function tableFor(
  request: BranchesRequest,
  source: SourceThatCan<'branches' | 'read'>,
  reader: CachedReader,
  signal: AbortSignal,
): Promise<BranchTable> {
  const { repo, revision } = request;
  if (sourceKind(repo.source) !== DEFAULT_SOURCE) {
    return revision === undefined
      ? await tagTable(repo, source, reader, signal)
      : await tagInFull(repo, revision, source, reader, signal);
  }
  return revision === undefined
    ? await tableOf(request, source, reader, signal)
    : await oneInFull(request, revision, source, reader, signal);
}

function notDescribed({ id }: RepoRef): FetchError {
  return new FetchError('USAGE', `The source of ${id} has no branches that can be described.`, {
    hint: 'Name the revision, and see with --dry-run what a download would fetch.',
  });
}

async function tableOf(
  { repo }: BranchesRequest,
  source: SourceThatCan<'branches'>,
  reader: CachedReader,
  signal: AbortSignal,
): Promise<BranchTable> {
  const refs = await source.branches(repo, signal);
  const branches = refs.filter(({ kind }) => kind === 'branch');
  const commits = new Set(branches.map(({ id }) => id));
  // A tag on a commit that no branch shows is a row of its own: releases are often tagged.
  const tags = refs.filter(({ kind, id }) => kind === 'tag' && !commits.has(id));
  const all = [...branches, ...tags];
  if (all.length === 0) {
    throw new FetchError('NOT_FOUND', `${repo.id} has no branches`, {
      hint: 'Nothing was ever pushed to it. Check the name, and --repo-type.',
    });
  }
  const notes: string[] = [];
  const shown = all.slice(0, MAX_BRANCHES);
  if (shown.length < all.length) notes.push(`${all.length - shown.length} more branches are not shown`);
  const pinned = shown.map((ref): [NamedRef, Revision] => [ref, pinnedRevision(repo, ref.name, ref.id)]);
  const listings = pinned.map(([, revision]) => reader.list(revision));
  const first = Math.max(
    0,
    shown.findIndex(({ name }) => name === 'main'),
  );
  const problems: string[] = [];
  const card = cardOf(pinned[first]![1], listings[first]!, reader, problems);
  const described = pinned.map(async ([ref, revision], index) => {
    const subject = { kind: ref.kind, revision: ref.name, commit: ref.id, date: undefined, whole: false };
    return await describe(subject, revision, listings[index]!, card, reader);
  });
  const results = await Promise.allSettled(described);
  const failures = results.flatMap((result) =>
    result.status === 'rejected' ? [result.reason as unknown] : [],
  );
  if (failures.length === results.length) throw failures[0];
  const rows = results.flatMap((result, index) =>
    result.status === 'fulfilled' ? result.value : [unlistedRow(pinned[index]![0], result.reason)],
  );
  return { repo, rows, notes: [...notes, ...problems] };
}

/** A branch that cannot be listed gets a row with the reason. */
function unlistedRow({ kind, name, id }: NamedRef, reason: unknown): BranchRow {
  const said = reason instanceof Error ? reason.message : String(reason);
  const nothing = { files: [], bytes: 0, weightBytes: 0, formats: [], facts: {}, conflicts: [] };
  const about = { kind, revision: name, commit: id, date: undefined, variant: undefined };
  return { ...about, ...nothing, problems: [`could not be listed: ${said}`] };
}

async function oneInFull(
  { repo, variant: written, mayBeQuantisation }: BranchesRequest,
  name: string,
  source: Source,
  reader: CachedReader,
  signal: AbortSignal,
): Promise<BranchTable> {
  const asked = { repo, revision: name, mayBeQuantisation, quantisation: written };
  const picked = await pickRevision(asked, source, (pinned) => reader.list(pinned), signal);
  const { revision, quantisation: variant } = picked;
  const listing = reader.list(revision);
  const problems: string[] = [];
  const card = cardOf(revision, listing, reader, problems);
  const [rows, scan] = await Promise.all([
    describe(
      {
        kind: 'revision',
        revision: revision.name,
        commit: revision.id,
        date: revision.date,
        whole: true,
      },
      revision,
      listing,
      card,
      reader,
    ),
    can(source, 'scan') ? source.scan(revision, signal).catch(() => undefined) : undefined,
  ]);
  signal.throwIfAborted();
  const notes = [...problems, ...scanNotes(scan)];
  if (variant === undefined) return { repo: revision.repo, rows, notes };
  return { repo: revision.repo, rows: rowsOf(variant, rows, await listing, repo, revision), notes };
}

/** The row of one quantisation; NOT_FOUND with the nearest where a name means none. */
function rowsOf(
  variant: string,
  rows: readonly BranchRow[],
  files: readonly RemoteFile[],
  repo: RepoRef,
  revision: Revision,
): BranchRow[] {
  const labels = new Set(findQuantisation(files, variant).matches.map(({ label }) => label));
  const chosen = rows.filter((row) => row.variant !== undefined && labels.has(row.variant));
  if (chosen.length > 0) return chosen;
  const names = rows.flatMap((row) => row.variant ?? []);
  const close = nearest(variant, names, 5);
  const hints = close.length > 0 ? close : names.slice(0, 5);
  throw new FetchError('NOT_FOUND', `${repo.id} at ${revision.name} has no quantisation "${variant}"`, {
    hint:
      hints.length > 0
        ? `There are: ${hints.join(', ')}.`
        : 'It has no GGUF files: leave the quantisation out.',
  });
}

type Named = Pick<BranchSubject, 'kind' | 'revision' | 'commit' | 'date' | 'whole'>;

async function describe(
  subject: Named,
  revision: Revision,
  listing: Promise<readonly RemoteFile[]>,
  card: Promise<Card>,
  reader: CachedReader,
): Promise<BranchRow[]> {
  return await describeBranch({
    ...subject,
    files: await listing,
    repoName: revision.repo.id.slice(revision.repo.id.indexOf('/') + 1),
    card,
    read: (file, start, end) => reader.read(revision, file, start, end),
  });
}

async function cardOf(
  revision: Revision,
  listing: Promise<readonly RemoteFile[]>,
  reader: CachedReader,
  problems: string[],
): Promise<Card> {
  // A branch that cannot be listed says so in its row.
  const files = await listing.catch(() => []);
  const text = await readCardText(
    files,
    (file, start, end) => reader.read(revision, file, start, end),
    problems,
  );
  return readCard(text);
}

function scanNotes(scan: readonly ScanFinding[] | undefined): string[] {
  return (scan ?? []).slice(0, 20).map(({ path, level }) => `the hub's scan calls ${path} ${level}`);
}
