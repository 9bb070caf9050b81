/**
 * Headers of every request, whichever transport sends it. Identity: the length of a compressed answer is not that of the
 * file, and its ranges count other bytes.
 */
export function commonHeaders({
  userAgent,
}: {
  readonly userAgent: string;
}): Readonly<Record<string, string>> {
  return { 'User-Agent': userAgent, Accept: '*/*', 'Accept-Encoding': 'identity' };
}
