import { formatBytes, printable, truncateMiddle } from '../../model/format.ts';
import { copiedFrom, type Plan, type PlannedFile } from '../../model/plan.ts';
import { planSentence, revisionSentence } from '../../model/plan-sentence.ts';
import { repoRecord } from '../../model/repo.ts';
import { safeJson } from '../progress/json-reporter.ts';
import { heldOf } from '../progress/tally.ts';
import { digestJson } from './digest-json.ts';

export interface PlanTableOptions {
  readonly directory: string;
  /** Width of the terminal; undefined if the output is a file: then names are never shortened. */
  readonly columns?: number | undefined;
}

const HEAD = { action: 'ACTION', size: 'SIZE', held: 'HERE', path: 'FILE' };
/** Names are not cut below this width; the row may then be too wide. */
const MIN_NAME_COLUMNS = 16;

/** `--dry-run`: every file with its size, its held bytes and the action, then the totals. */
export function renderPlanTable(plan: Plan, options: PlanTableOptions): string {
  const rows = [HEAD, ...plan.files.map(planRow)];
  const actionWidth = widest(rows.map((row) => row.action));
  const sizeWidth = widest(rows.map((row) => row.size));
  const heldWidth = widest(rows.map((row) => row.held));
  const { columns } = options;
  const withoutHeld = actionWidth + sizeWidth + 4;
  // The action already says what is held.
  const isNarrow = columns !== undefined && columns - withoutHeld - heldWidth - 2 < MIN_NAME_COLUMNS;
  const before = withoutHeld + (isNarrow ? 0 : heldWidth + 2);
  const nameColumns = columns === undefined ? undefined : Math.max(MIN_NAME_COLUMNS, columns - before);
  const lines = rows.map((row) => {
    const name = nameColumns === undefined ? row.path : truncateMiddle(row.path, nameColumns);
    const held = isNarrow ? '' : `  ${row.held.padStart(heldWidth)}`;
    const figures = `${row.size.padStart(sizeWidth)}${held}`;
    return `${row.action.padEnd(actionWidth)}  ${figures}  ${name}`;
  });
  return [
    revisionSentence(plan.revision),
    `into ${printable(options.directory)}`,
    '',
    ...lines,
    '',
    ...reuseLines(plan),
    planSentence(plan),
    spaceSentence(plan),
    '',
  ].join('\n');
}

/** Local sources of files that need no network. */
function reuseLines(plan: Plan): string[] {
  const localCopies = plan.files.map(copiedFrom).filter((path) => path !== undefined);
  return localCopies.slice(0, 20).map((localCopy) => `reuse ${printable(localCopy)}`);
}

function planRow(planned: PlannedFile): typeof HEAD {
  const held = heldOf(planned);
  return {
    action: actionWord(planned, held),
    size: formatBytes(planned.file.size),
    held: held > 0 ? formatBytes(held) : '-',
    path: printable(planned.file.path),
  };
}

function actionWord(planned: PlannedFile, held: number): string {
  if (planned.action !== 'transfer') return planned.action;
  if (copiedFrom(planned) !== undefined) return 'reuse';
  if (held > 0) return 'resume';
  return planned.replaces ? 'replace' : 'fetch';
}

function widest(cells: readonly string[]): number {
  return cells.reduce((width, cell) => Math.max(width, cell.length), 0);
}

function spaceSentence(plan: Plan): string {
  const needed = `needs ${formatBytes(plan.spaceNeeded)} of disk space`;
  if (plan.spaceFree === undefined) return `${needed}; how much is free is not known`;
  const free = `${formatBytes(plan.spaceFree)} free`;
  if (plan.spaceFree >= plan.spaceNeeded) return `${needed}; ${free}`;
  return `${needed}; only ${free}, ${formatBytes(plan.spaceNeeded - plan.spaceFree)} too little`;
}

/**
 * `--dry-run --json`: the same facts as one JSON document.
 *
 * `v` (1), `repo` (`type`, `id`, and `source` where it is not the Hub), `revision`, `commit`, `directory`;
 * `files`: for each `path`, `size`, `sha256` (of small files in git `gitSha1`, the id of the blob), `held` (bytes here), `action` (`keep`, `check`, `transfer`), `replaces` (true
 * when a file of another content stands there now), `reuse` (path of the file that will be copied instead, if there is one);
 * `totals`: `files`, `bytes`, `held`, `fetch` and, if files are copied, `reuse` (bytes), `keepFiles`, `checkFiles`, `fetchFiles`;
 * `space`: `needed` and `free` bytes (`free` is null where the system does not say);
 * `prune`: with `--prune`, each `path` and `size` that would be deleted.
 */
export function renderPlanJson(plan: Plan, directory: string, prunable?: readonly Prunable[]): string {
  const { repo, name, id: commit } = plan.revision;
  const { totals } = plan;
  const document = {
    v: 1,
    repo: repoRecord(repo),
    revision: name,
    commit,
    directory,
    files: plan.files.map(plannedJson),
    totals: {
      files: totals.files,
      bytes: totals.bytes,
      held: totals.heldBytes,
      fetch: totals.fetchBytes,
      keepFiles: totals.keepFiles,
      checkFiles: totals.checkFiles,
      fetchFiles: totals.fetchFiles,
      ...(totals.reuseBytes === undefined
        ? {}
        : { reuse: totals.reuseBytes, wire: totals.fetchBytes, copied: totals.reuseBytes }),
    },
    space: { needed: plan.spaceNeeded, free: plan.spaceFree ?? null },
    ...(prunable === undefined ? {} : { prune: prunable.map(({ path, size }) => ({ path, size })) }),
  };
  return `${safeJson(document, 2)}\n`;
}

function plannedJson(planned: PlannedFile): object {
  const { file, action, replaces } = planned;
  const reuse = copiedFrom(planned);
  return {
    path: file.path,
    size: file.size,
    ...digestJson(file.digest),
    held: heldOf(planned),
    action,
    replaces,
    ...(reuse === undefined ? {} : { reuse }),
  };
}

/** A file of an earlier run that the revision no longer has. */
export interface Prunable {
  readonly path: string;
  readonly size: number;
}

/** `--prune --dry-run`: what would be deleted, a line each. */
export function renderPrunable(files: readonly Prunable[]): string {
  return files.map(({ path, size }) => `delete  ${printable(path)}  (${formatBytes(size)})\n`).join('');
}
