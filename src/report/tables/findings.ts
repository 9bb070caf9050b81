import { formatBytes, formatCount, formatDuration, groupDigits, printable } from '../../model/format.ts';
import { repoPath, repoRecord } from '../../model/repo.ts';
import { shortId } from '../../model/revision-id.ts';
import type { CheckReport, Finding } from '../../model/verify-report.ts';
import { safeJson } from '../progress/json-reporter.ts';

/** One line per difference: its kind, the path, and details. */
export function renderFindings(findings: readonly Finding[]): string {
  return findings.map((finding) => `${finding.kind.padEnd(7)}  ${describe(finding)}\n`).join('');
}

function describe(finding: Finding): string {
  const path = printable(finding.path);
  if (finding.kind !== 'changed') return `${path}  (${formatBytes(finding.size)})`;
  const { why, expected, found } = finding;
  if (why === 'size') {
    return `${path}  (${groupDigits(found.size)} bytes instead of ${groupDigits(expected.size)})`;
  }
  const name = expected.digest?.algorithm === 'git-sha1' ? 'git blob' : 'sha256';
  return `${path}  (${name} ${found.hex?.slice(0, 12)}… instead of ${expected.digest?.hex.slice(0, 12)}…)`;
}

/** `1 missing, 2 changed`; empty if there is no difference. */
export function countFindings(findings: readonly Finding[]): string {
  return (['missing', 'changed', 'extra'] as const)
    .map((kind) => [kind, findings.filter((finding) => finding.kind === kind).length] as const)
    .filter(([, count]) => count > 0)
    .map(([kind, count]) => `${groupDigits(count)} ${kind}`)
    .join(', ');
}

/** `10 files, 165 MB, all as in the manifest of OWNER/NAME, main at 0123456; took 2s`. */
export function checkSentence(facts: CheckReport, elapsedMs: number): string {
  const found = countFindings(facts.findings);
  const how = facts.quick ? 'read only what was touched' : 'every byte read';
  const verdict = found === '' ? 'no difference' : found;
  const what = `${printable(repoPath(facts.repo))}, ${printable(facts.revision)} at ${shortId(facts.commit)}`;
  const size = `${formatCount(facts.files, 'file')}, ${formatBytes(facts.bytes)}`;
  return `${what}: ${size}, ${verdict} (${how}, ${formatDuration(elapsedMs)})`;
}

/**
 * `verify --json`: one document.
 *
 * `v` (1), `directory`, `endpoint`, `repo` (`type`, `id`; `source` unless it is the Hub), `revision`, `commit`, `quick`, `ok` (no difference; with
 * `--allow-extra`, none but extra files), `files` and `bytes`
 * (of what should be there), `missing` and `extra` (each `path`, `size`), `changed` (each `path`, `why`, `expected` and
 * `found` with `size` and, where the content was read, `sha256` or `gitSha1`), `fetched` (bytes, with `--repair` only).
 */
export function renderCheckJson(
  facts: CheckReport,
  {
    fetchedBytes,
    ok = facts.findings.length === 0,
  }: { fetchedBytes?: number | undefined; ok?: boolean } = {},
): string {
  const { directory, endpoint, repo, revision, commit, quick, files, bytes, findings } = facts;
  const plain = (kind: 'missing' | 'extra') =>
    findings.flatMap((finding) =>
      finding.kind === kind ? [{ path: finding.path, size: finding.size }] : [],
    );
  const changed = findings.flatMap((finding) => {
    if (finding.kind !== 'changed') return [];
    const { path, why, expected, found } = finding;
    const name = expected.digest?.algorithm === 'git-sha1' ? 'gitSha1' : 'sha256';
    const hash = (hex: string | undefined) => (hex === undefined ? {} : { [name]: hex });
    return [
      {
        path,
        why,
        expected: { size: expected.size, ...hash(expected.digest?.hex) },
        found: { size: found.size, ...hash(found.hex) },
      },
    ];
  });
  const document = {
    v: 1,
    directory,
    endpoint,
    repo: repoRecord(repo),
    revision,
    commit,
    quick,
    ok,
    files,
    bytes,
    missing: plain('missing'),
    changed,
    extra: plain('extra'),
    ...(fetchedBytes === undefined ? {} : { fetched: fetchedBytes }),
  };
  return `${safeJson(document, 2)}\n`;
}
