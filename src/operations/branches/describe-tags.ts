import { describeTag } from '../../branches/describe-tag.ts';
import type { BranchRow, BranchTable } from '../../model/branch-facts.ts';
import { FetchError } from '../../model/error.ts';
import { type NamedRef, pinnedRevision, type RepoRef, type Revision, repoPath } from '../../model/repo.ts';
import { shortId } from '../../model/revision-id.ts';
import type { Target } from '../../model/target.ts';
import type { SourceThatCan } from '../../source/source.ts';
import type { CachedReader } from './cached-reader.ts';

/** The same maximum as for branches. */
const MAX_TAGS = 200;

/** One row for each tag of a repository of a registry. Tags of one manifest are described once. */
export async function describeTags(
  repo: RepoRef,
  source: SourceThatCan<'branches'>,
  reader: CachedReader,
  signal: AbortSignal,
): Promise<BranchTable> {
  const tags = await source.branches(repo, signal);
  if (tags.length === 0) {
    throw new FetchError('NOT_FOUND', `${repoPath(repo)} has no tags`, {
      hint: 'Check the name, or name a manifest by its digest: NAME@sha256:HEX.',
    });
  }
  const shown = tags.slice(0, MAX_TAGS);
  const notes = shown.length < tags.length ? [`${tags.length - shown.length} more tags are not shown`] : [];
  const described = new Map<string, Promise<BranchRow>>();
  for (const { name, id } of shown) {
    const row = described.get(id) ?? rowOf(pinnedRevision(repo, name, id), 'tag', false, reader);
    // All are awaited below; a rejection before that is handled.
    row.catch(() => {});
    described.set(id, row);
  }
  const names = new Map<string, NamedRef[]>();
  for (const ref of shown) names.set(ref.id, [...(names.get(ref.id) ?? []), ref]);
  const rows = await Promise.all(
    shown.map(async (ref): Promise<BranchRow> => {
      const sameAs = names.get(ref.id)!.flatMap(({ name }) => (name === ref.name ? [] : [name]));
      const row = await described.get(ref.id)!.catch((thrown: unknown) => unlistedRow(ref, thrown));
      return { ...row, revision: ref.name, ...(sameAs.length === 0 ? {} : { sameAs }) };
    }),
  );
  signal.throwIfAborted();
  const same = [...names.values()]
    .filter((group) => group.length > 1)
    .map(
      (group) =>
        `one manifest, ${shortId(group[0]!.id).slice(7)}: ${group.map(({ name }) => name).join(', ')}`,
    );
  return { repo, rows, notes: [...notes, ...same] };
}

/** One tag or digest with everything that can be read of it. */
export async function describeTagInFull(
  { repo, revision: name = '' }: Target,
  source: SourceThatCan<'read'>,
  reader: CachedReader,
  signal: AbortSignal,
): Promise<BranchTable> {
  const revision = await source.resolve(repo, name, signal);
  return { repo, rows: [await rowOf(revision, 'revision', true, reader)], notes: [] };
}

async function rowOf(
  revision: Revision,
  kind: BranchRow['kind'],
  whole: boolean,
  reader: CachedReader,
): Promise<BranchRow> {
  return await describeTag({
    kind,
    revision: revision.name,
    commit: revision.id,
    files: await reader.list(revision),
    read: (file, start, end) => reader.read(revision, file, start, end),
    whole,
  });
}

/** The row of a tag without files, with the reason: it only runs in a cloud. */
function unlistedRow({ kind, name, id }: NamedRef, reason: unknown): BranchRow {
  const said = reason instanceof Error ? reason.message : String(reason);
  const nothing = { files: [], bytes: 0, weightBytes: 0, formats: [], facts: {}, conflicts: [] };
  const about = { kind, revision: name, commit: id, date: undefined, variant: undefined };
  return { ...about, ...nothing, problems: [said] };
}
