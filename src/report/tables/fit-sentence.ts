import type { Fit, RankedRow } from '../../model/branch-facts.ts';
import { formatBytes, groupDigits, printable } from '../../model/format.ts';

/** `main: 4.16 GB weights + 1.07 GB for 8,192 tokens + 800 MB = 6.03 GB; most bits that fit`. */
export function fitSentence({ row, fit }: RankedRow): string {
  const name = row.variant === undefined ? row.revision : `${row.revision}:${row.variant}`;
  const cache =
    fit.kvCache === undefined ? '' : ` + ${formatBytes(fit.kvCache)} for ${groupDigits(fit.context)} tokens`;
  const sum = `${formatBytes(fit.weights)} weights${cache} + ${formatBytes(fit.runtime)} = ${formatBytes(fit.total)}`;
  return `${printable(name)}: ${[sum, ...fitReasons(fit)].join('; ')}`;
}

/** The reasons for a row's rank, and what vLLM would need. */
export function fitReasons({ reasons, kvCacheVllm }: Fit): string[] {
  if (kvCacheVllm === undefined) return [...reasons];
  return [...reasons, `vLLM keeps a cache of ${formatBytes(kvCacheVllm)}`];
}
