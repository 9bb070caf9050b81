import type { BranchSubject } from '../../branches/branch-subject.ts';
import { type Card, readCard } from '../../branches/card.ts';
import { describeBranch } from '../../branches/describe-branch.ts';
import { readCardText } from '../../branches/small-files.ts';
import type { BranchRow, BranchTable } from '../../model/branch-facts.ts';
import { FetchError } from '../../model/error.ts';
import { findQuantisation } from '../../model/find-quantisation.ts';
import { nearest } from '../../model/nearest.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import { type NamedRef, pinnedRevision, type RepoRef, type Revision } from '../../model/repo.ts';
import type { Target } from '../../model/target.ts';
import { DEFAULT_SOURCE, sourceKind } from '../../source/naming.ts';
import { openHttp, openSource, type SourceAccess } from '../../source/open-source.ts';
import { can, type ScanFinding, type Source, type SourceThatCan } from '../../source/source.ts';
import { ResponseCache } from '../../store/records/response-cache.ts';
import type { RunContext } from '../../system/run-context.ts';
import { pickRevision } from '../download/resolve-quantisation.ts';
import { type HubOptions, hubAccess, type RunOptions } from '../options.ts';
import { withRunContext } from '../run.ts';
import { revisionNameOf, type TargetOptions, targetOf } from '../target.ts';
import { CachedReader } from './cached-reader.ts';
import { describeTagInFull, describeTags } from './describe-tags.ts';

/** Which branches of which repository. With a revision, only that one, in full. */
export interface ListBranchesOptions extends TargetOptions, HubOptions, RunOptions {
  /**
   * Absolute path of a directory that caches immutable responses, to make fewer requests the next time; none if left
   * out.
   */
  readonly cacheDirectory?: string | undefined;
}

/** The list of the Hub says what each branch points to. */
type PinnedRef = NamedRef & { readonly id: string };

function isPinned(ref: NamedRef): ref is PinnedRef {
  return ref.id !== undefined;
}

/** More branches than this would cost more requests than the Hub grants in five minutes. */
const MAX_BRANCHES = 200;

/**
 * Describes each branch: bits, group size, format, size, each fact with its origin. What could not be read of a
 * branch is in its `problems`.
 *
 * Rejects with a FetchError: USAGE, NOT_FOUND, ACCESS, NETWORK or ABORTED. Prints nothing.
 */
export async function listBranches(options: ListBranchesOptions): Promise<BranchTable> {
  return await withRunContext(options, async (run) => {
    const access = hubAccess(options);
    const target = targetOf(options, access.endpoint);
    return await describeTarget(target, options, access, run);
  });
}

/**
 * One request for the branches, one for the listing of each, and a few for small files and headers, in parallel. What
 * cannot be read is a problem of its row.
 */
async function describeTarget(
  target: Target,
  { cacheDirectory }: ListBranchesOptions,
  access: SourceAccess,
  run: RunContext,
): Promise<BranchTable> {
  const { signal } = run;
  const { repo, revision } = target;
  using http = openHttp(access, run);
  const source = openSource(repo, { access, run, http });
  if (!can(source, 'branches') || !can(source, 'read')) throw notDescribed(repo);
  const cache = cacheDirectory === undefined ? undefined : new ResponseCache(cacheDirectory);
  const reader = new CachedReader(source, cache, access.endpoint, signal);
  const isHub = sourceKind(repo.source) === DEFAULT_SOURCE;
  const table =
    revision === undefined
      ? await (isHub ? describeAll : describeTags)(repo, source, reader, signal)
      : await (isHub ? describeOne : describeTagInFull)(target, source, reader, signal);
  // Rows report what could not be read; an abort is not such a problem.
  signal.throwIfAborted();
  cache?.prune(run.environment.clock.now());
  return table;
}

function notDescribed({ id }: RepoRef): FetchError {
  return new FetchError('USAGE', `The source of ${id} has no branches that can be described.`, {
    hint: 'Name the revision, and see with --dry-run what a download would fetch.',
  });
}

async function describeAll(
  repo: RepoRef,
  source: SourceThatCan<'branches'>,
  reader: CachedReader,
  signal: AbortSignal,
): Promise<BranchTable> {
  const refs = (await source.branches(repo, signal)).filter(isPinned);
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
  const pinned = shown.map((ref): [PinnedRef, Revision] => [ref, pinnedRevision(repo, ref.name, ref.id)]);
  const first = Math.max(
    0,
    shown.findIndex(({ name }) => name === 'main'),
  );
  const problems: string[] = [];
  const card = cardOf(pinned[first]![1], reader, problems);
  const described = pinned.map(async ([ref, revision]) => {
    const subject = { kind: ref.kind, revision: ref.name, commit: ref.id, date: undefined, whole: false };
    return await describe(subject, revision, card, reader);
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
function unlistedRow({ kind, name, id }: PinnedRef, reason: unknown): BranchRow {
  const said = reason instanceof Error ? reason.message : String(reason);
  const nothing = { files: [], bytes: 0, weightBytes: 0, formats: [], facts: {}, conflicts: [] };
  const about = { kind, revision: name, commit: id, date: undefined, variant: undefined };
  return { ...about, ...nothing, problems: [`could not be listed: ${said}`] };
}

async function describeOne(
  target: Target,
  source: Source,
  reader: CachedReader,
  signal: AbortSignal,
): Promise<BranchTable> {
  const { repo } = target;
  const list = (pinned: Revision) => reader.list(pinned);
  const picked = await pickRevision(revisionNameOf(target), source, list, signal);
  const { revision, quantisation: variant } = picked;
  const problems: string[] = [];
  const card = cardOf(revision, reader, problems);
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
      card,
      reader,
    ),
    can(source, 'scan') ? source.scan(revision, signal).catch(() => undefined) : undefined,
  ]);
  signal.throwIfAborted();
  const notes = [...problems, ...scanNotes(scan)];
  if (variant === undefined) return { repo: revision.repo, rows, notes };
  return {
    repo: revision.repo,
    rows: rowsOf(variant, rows, await reader.list(revision), { ...revision, repo }),
    notes,
  };
}

/** The rows of one quantisation. Throws NOT_FOUND with the nearest names if there is none. */
function rowsOf(
  variant: string,
  rows: readonly BranchRow[],
  files: readonly RemoteFile[],
  { repo, name }: Revision,
): BranchRow[] {
  const labels = new Set(findQuantisation(files, variant).matches.map(({ label }) => label));
  const chosen = rows.filter((row) => row.variant !== undefined && labels.has(row.variant));
  if (chosen.length > 0) return chosen;
  const names = rows.flatMap((row) => row.variant ?? []);
  const close = nearest(variant, names, 5);
  const hints = close.length > 0 ? close : names.slice(0, 5);
  throw new FetchError('NOT_FOUND', `${repo.id} at ${name} has no quantisation "${variant}"`, {
    hint:
      hints.length > 0
        ? `There are: ${hints.join(', ')}.`
        : 'It has no GGUF files: leave the quantisation out.',
  });
}

type SubjectName = Pick<BranchSubject, 'kind' | 'revision' | 'commit' | 'date' | 'whole'>;

async function describe(
  subject: SubjectName,
  revision: Revision,
  card: Promise<Card>,
  reader: CachedReader,
): Promise<BranchRow[]> {
  return await describeBranch({
    ...subject,
    files: await reader.list(revision),
    repoName: revision.repo.id.slice(revision.repo.id.indexOf('/') + 1),
    card,
    read: (file, start, end) => reader.read(revision, file, start, end),
  });
}

async function cardOf(revision: Revision, reader: CachedReader, problems: string[]): Promise<Card> {
  // A branch that cannot be listed says so in its row.
  const files = await reader.list(revision).catch(() => []);
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
