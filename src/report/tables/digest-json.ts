import type { Digest } from '../../model/digest.ts';

/** `sha256` of a file's content, for small files in git `gitSha1` of its blob; nothing where the hub says neither. */
export function digestJson(digest: Digest | undefined): { sha256?: string; gitSha1?: string } {
  if (digest === undefined) return {};
  return digest.algorithm === 'sha256' ? { sha256: digest.hex } : { gitSha1: digest.hex };
}
