import pLimit from 'p-limit';
import { describeTag } from '../../branches/describe-tag.ts';
import type { BranchRow, BranchTable } from '../../model/branch-facts.ts';
import { FetchError } from '../../model/error.ts';
import { pinnedRevision, type RepoRef, type Revision, repoPath } from '../../model/repo.ts';
import { shortId } from '../../model/revision-id.ts';
import type { Target } from '../../model/target.ts';
import type { SourceThatCan } from '../../source/source.ts';
import type { CachedReader } from './cached-reader.ts';

/** The same maximum as for branches. */
const MAX_TAGS = 200;
/** Manifests that are asked for at the same time. */
const TAGS_AT_ONCE = 8;

/**
 * One row for each tag of a repository of a registry. Tags of one manifest are described once. One request for the tags and
 * one for the manifest of each.
 */
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
  const shown = tags.slice(0, MAX_TAGS).map(({ name }) => name);
  const notes = shown.length < tags.length ? [`${tags.length - shown.length} more tags are not shown`] : [];
  const limit = pLimit(TAGS_AT_ONCE);
  const described = new Map<string, Promise<BranchRow>>();
  const describe = async (tag: string): Promise<BranchRow> => {
    const { id } = await limit(() => source.resolve(repo, tag, signal));
    const known = described.get(id);
    if (known !== undefined) return { ...(await known), revision: tag };
    const row = rowOf(pinnedRevision(repo, tag, id), 'tag', false, reader);
    const named = row.catch((thrown: unknown) => unreadRow(tag, id, thrown));
    described.set(id, named);
    return await named;
  };
  const results = await Promise.allSettled(shown.map(describe));
  signal.throwIfAborted();
  const failures = results.flatMap((result) =>
    result.status === 'rejected' ? [result.reason as unknown] : [],
  );
  if (failures.length === results.length) throw failures[0];
  const rows = results.flatMap((result, index) => {
    if (result.status === 'fulfilled') return [result.value];
    // It was removed meanwhile.
    const isGone = result.reason instanceof FetchError && result.reason.code === 'NOT_FOUND';
    return isGone ? [] : [unreadRow(shown[index]!, '', result.reason)];
  });
  const groups = new Map<string, BranchRow[]>();
  for (const row of rows) {
    if (row.commit !== '') groups.set(row.commit, [...(groups.get(row.commit) ?? []), row]);
  }
  return { repo, rows: rows.map((row) => withSame(row, groups)), notes: [...notes, ...sameNotes(groups)] };
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

/** A tag whose files cannot be listed gets a row with the reason: it runs in a cloud only, or its manifest is none. */
function unreadRow(tag: string, id: string, reason: unknown): BranchRow {
  const said = reason instanceof Error ? reason.message : String(reason);
  const nothing = { files: [], bytes: 0, weightBytes: 0, formats: [], facts: {}, conflicts: [] };
  const about = { kind: 'tag', revision: tag, commit: id, date: undefined, variant: undefined } as const;
  return { ...about, ...nothing, problems: [said] };
}

/** Rows of one manifest, by its digest. */
type Groups = ReadonlyMap<string, readonly BranchRow[]>;

function withSame(row: BranchRow, groups: Groups): BranchRow {
  const others = (groups.get(row.commit) ?? []).map(({ revision }) => revision);
  const sameAs = others.filter((tag) => tag !== row.revision);
  return sameAs.length === 0 ? row : { ...row, sameAs };
}

function sameNotes(groups: Groups): string[] {
  return [...groups].flatMap(([digest, rows]) => {
    const tags = rows.map(({ revision }) => revision).join(', ');
    return rows.length < 2 ? [] : [`one manifest, ${shortId(digest).slice(7)}: ${tags}`];
  });
}
