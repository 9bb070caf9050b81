import type { ScanFinding } from '../source.ts';

const MAX = 10_000;

/** The files that `securityRepoStatus` of a revision warns of; undefined where the hub does not say or has not looked yet. */
export function scanFindings(info: Readonly<Record<string, unknown>>): readonly ScanFinding[] | undefined {
  const status = info['securityRepoStatus'];
  if (status === null || typeof status !== 'object') return undefined;
  const { scansDone, filesWithIssues } = status as Record<string, unknown>;
  if (!Array.isArray(filesWithIssues)) return undefined;
  const findings: ScanFinding[] = [];
  for (const entry of filesWithIssues.slice(0, MAX) as unknown[]) {
    if (entry === null || typeof entry !== 'object') continue;
    const { path, level } = entry as Record<string, unknown>;
    if (typeof path === 'string')
      findings.push({ path, level: typeof level === 'string' ? level : 'unsafe' });
  }
  return scansDone === false && findings.length === 0 ? undefined : findings;
}
