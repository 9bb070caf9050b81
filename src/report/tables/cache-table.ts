import { formatBytes, formatCount, printable } from '../../model/format.ts';
import { safeJson } from '../progress/json-reporter.ts';
import { layOut, type TextColumn } from './text-table.ts';

/** A repository in a cache, as the table shows it. */
export interface CacheRow {
  readonly repo: { readonly type: string; readonly id: string };
  readonly path: string;
  readonly bytes: number;
  readonly partBytes: number;
  readonly revisions: readonly {
    readonly commit: string;
    readonly refs: readonly string[];
    readonly unfinished: boolean;
    readonly path: string;
    readonly files: readonly unknown[];
    readonly bytes: number;
    readonly broken: readonly string[];
  }[];
}

const COLUMNS: readonly Omit<TextColumn, 'texts'>[] = [
  { head: 'REPOSITORY', rank: 0, align: 'left' },
  { head: 'COMMIT', rank: 3, align: 'left' },
  { head: 'REFS', rank: 2, align: 'left', leastWidth: 8 },
  { head: 'FILES', rank: 4, align: 'right' },
  { head: 'SIZE', rank: 1, align: 'right' },
  { head: 'PATH', rank: 5, align: 'left' },
];

/** `fetch cache ls`: one line per revision, at most `columns` wide; unlimited without a width. */
export function renderCacheTable(repos: readonly CacheRow[], columns?: number): string {
  const rows = repos.flatMap((row) => {
    const name = repoName(row);
    const lines = row.revisions.map((revision) => [
      name,
      revision.commit.slice(0, 12),
      refsOf(revision),
      String(revision.files.length),
      formatBytes(revision.bytes),
      revision.path,
    ]);
    const unfinished = [name, '-', 'unfinished parts', '-', formatBytes(row.partBytes), row.path];
    return row.partBytes > 0 || lines.length === 0 ? [...lines, unfinished] : lines;
  });
  const table = COLUMNS.map((column, index) => ({
    ...column,
    texts: rows.map((cells) => printable(cells[index]!)),
  }));
  return `${layOut(table, columns).join('\n')}\n`;
}

/** Bytes on disk: blobs shared by several revisions count once. */
export function cacheSentence(repos: readonly CacheRow[], cache: string): string {
  const revisions = repos.reduce((sum, row) => sum + row.revisions.length, 0);
  const bytes = repos.reduce((sum, row) => sum + row.bytes + row.partBytes, 0);
  const counts = `${repos.length === 1 ? '1 repository' : `${repos.length} repositories`}, ${formatCount(revisions, 'revision')}`;
  return `${counts}, ${formatBytes(bytes)} in ${printable(cache)}`;
}

/** `fetch cache ls --json`: one document. */
export function renderCacheJson(repos: readonly CacheRow[], cache: string): string {
  const document = {
    v: 1,
    cache,
    repos: repos.map(({ repo, path, bytes, partBytes, revisions }) => ({
      repo: { type: repo.type, id: repo.id },
      path,
      bytes,
      unfinished: partBytes,
      revisions: revisions.map((one) => ({
        commit: one.commit,
        refs: one.refs,
        complete: !one.unfinished,
        path: one.path,
        files: one.files.length,
        bytes: one.bytes,
        broken: one.broken,
      })),
    })),
  };
  return `${safeJson(document, 2)}\n`;
}

export function repoName({ repo: { type, id } }: Pick<CacheRow, 'repo'>): string {
  return type === 'model' ? id : `${type}s/${id}`;
}

function refsOf({ refs, unfinished, broken }: CacheRow['revisions'][number]): string {
  const remarks = [...(unfinished ? ['unfinished'] : []), ...(broken.length > 0 ? ['broken'] : [])];
  const shown = [...refs, ...remarks.map((remark) => `(${remark})`)].join(', ');
  return shown === '' ? '-' : shown;
}
