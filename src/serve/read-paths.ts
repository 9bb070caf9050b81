import type { IncomingMessage } from 'node:http';
import type { ByteBudget } from './byte-budget.ts';

/** Far more than the paths of any repository. */
const MAX_BYTES = 8 * 1024 * 1024;

/**
 * The paths that a request for paths-info names, in JSON or as a form. Undefined if there are none, or too many. Rejects if
 * the client goes away, or if the budget is needed for others.
 */
export async function readPaths(
  request: IncomingMessage,
  budget: ByteBudget,
): Promise<readonly string[] | undefined> {
  const chunks: Buffer[] = [];
  const releases: (() => void)[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > MAX_BYTES) return undefined;
      releases.push(budget.hold(chunk.length, () => request.destroy()));
      chunks.push(chunk);
    }
    return parsePaths(request.headers['content-type'] ?? '', Buffer.concat(chunks).toString('utf8'));
  } finally {
    for (const release of releases) release();
  }
}

export function parsePaths(contentType: string, body: string): readonly string[] | undefined {
  if (!/^application\/json\b/i.test(contentType)) {
    const paths = new URLSearchParams(body).getAll('paths');
    return paths.length > 0 ? paths : undefined;
  }
  try {
    const { paths } = JSON.parse(body) as { readonly paths?: unknown };
    const list = typeof paths === 'string' ? [paths] : paths;
    return Array.isArray(list) && list.every((path) => typeof path === 'string') ? list : undefined;
  } catch {
    return undefined;
  }
}
