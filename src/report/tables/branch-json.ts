import type { BranchRow, BranchTable, Fit, RankedRow } from '../../model/branch-facts.ts';
import { repoRecord } from '../../model/repo.ts';
import { safeJson } from '../progress/json-reporter.ts';
import { digestJson } from './digest-json.ts';

/**
 * `fetch branches --json`: one document. Sizes are bytes.
 *
 * `v` (1), `repo` (`type`, `id`, and `source` where it is not the Hub), `notes` (texts), `rows`; in each row
 * `kind` (`branch`, `tag`, `revision`), `revision`, `commit`, `date` (ISO or null),
 * `sameAs` (other tags of the same manifest in a registry, where there are any), `variant` (the quantisation that `REPO@REVISION:VARIANT` names, or null for the whole branch),
 * `bytes` (all files of the download), `weightBytes`, `files` (`path`, `size`, and `sha256` or `gitSha1`, as the hub has it), `formats` (`format`, `files`, `bytes`),
 * `missingParts` (of the weights) and `otherCopies` (`format`, `files`, `bytes`: copies that are not in `weightBytes`), where there are any,
 * `facts`: by name, each `{value, origin}`; names that are not known are left out,
 * `conflicts`: `field`, `believed` and `other`, both `{value, origin}`, `problems` (texts).
 * With `--fits`, rows are in the order of the ranking and have `fit`: `fits`, `weights`, `kvCache` (as llama.cpp allocates it, or null), `kvCacheVllm` (where vLLM differs by more than a tenth), `runtime`, `total`,
 * `memory`, `context` (tokens), `reasons` (texts).
 */
export function renderBranchJson(table: BranchTable, ranked?: readonly RankedRow[]): string {
  const rows = ranked?.map(({ row, fit }) => rowJson(row, fit)) ?? table.rows.map((row) => rowJson(row));
  const repo = repoRecord(table.repo);
  return `${safeJson({ v: 1, repo, rows, notes: table.notes }, 2)}\n`;
}

function rowJson(row: BranchRow, fit?: Fit): unknown {
  const {
    kind,
    revision,
    commit,
    date,
    variant,
    bytes,
    weightBytes,
    files,
    formats,
    facts,
    conflicts,
    problems,
  } = row;
  return {
    kind,
    revision,
    commit,
    date: date ?? null,
    variant: variant ?? null,
    ...(row.sameAs === undefined ? {} : { sameAs: row.sameAs }),
    bytes,
    weightBytes,
    facts,
    conflicts,
    problems,
    formats,
    ...(row.missingParts ? { missingParts: row.missingParts } : {}),
    ...(row.otherCopies === undefined ? {} : { otherCopies: row.otherCopies }),
    files: files.map(({ path, size, digest }) => ({ path, size, ...digestJson(digest) })),
    ...(fit === undefined ? {} : { fit: fitJson(fit) }),
  };
}

function fitJson({
  fits,
  weights,
  kvCache,
  kvCacheVllm,
  runtime,
  total,
  memory,
  context,
  reasons,
}: Fit): unknown {
  const vllm = kvCacheVllm === undefined ? {} : { kvCacheVllm };
  return { fits, weights, kvCache: kvCache ?? null, ...vllm, runtime, total, memory, context, reasons };
}
