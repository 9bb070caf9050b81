import type { Digest } from '../../model/digest.ts';

/** The digest as a field: `sha256`, or `gitSha1` for small files in git; empty if the source gives none. */
export function digestJson(digest: Digest | undefined): { sha256?: string; gitSha1?: string } {
  if (digest === undefined) return {};
  return digest.algorithm === 'sha256' ? { sha256: digest.hex } : { gitSha1: digest.hex };
}
