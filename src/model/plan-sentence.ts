import { formatBytes, formatCount, printable } from './format.ts';
import type { Plan } from './plan.ts';
import type { Revision } from './repo.ts';
import { repoPath } from './repo.ts';
import { shortId } from './revision-id.ts';

/** `TheBloke/x, gptq-8bit-32g-actorder_True at 0123456`: short enough for one line of 80 columns. */
export function revisionSentence(revision: Revision): string {
  const repo = printable(repoPath(revision.repo));
  const commit = printable(shortId(revision.id));
  // If a commit was asked for by its id, do not repeat it.
  if (revision.name !== '' && revision.id.startsWith(revision.name)) return `${repo} at ${commit}`;
  return `${repo}, ${printable(revision.name)} at ${commit}`;
}

/** `10 files, 8.17 GB; already here: 3 files, 1.20 GB; to fetch: 6.97 GB`. */
export function planSentence(plan: Plan): string {
  const { files, bytes, heldBytes, fetchBytes, keepFiles, checkFiles, reuseBytes = 0 } = plan.totals;
  const parts = [`${formatCount(files, 'file')}, ${formatBytes(bytes)}`];
  if (heldBytes > 0 || keepFiles > 0) parts.push(`already here: ${heldPhrase(keepFiles, heldBytes)}`);
  if (checkFiles > 0) parts.push(`to check: ${formatCount(checkFiles, 'file')}`);
  if (reuseBytes > 0) parts.push(`to copy: ${formatBytes(reuseBytes)}`);
  parts.push(fetchBytes > 0 ? `to fetch: ${formatBytes(fetchBytes)}` : 'nothing to fetch');
  return parts.join('; ');
}

function heldPhrase(keepFiles: number, heldBytes: number): string {
  const files = keepFiles > 0 ? `${formatCount(keepFiles, 'file')}, ` : '';
  return `${files}${formatBytes(heldBytes)}`;
}
