import type { IncomingMessage } from 'node:http';

const MAX_BYTES = 8 * 1024 * 1024;

/** The paths that a request for paths-info names, in JSON or as a form. Undefined if there are none, or too many. */
export async function readPaths(request: IncomingMessage): Promise<readonly string[] | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) return undefined;
    chunks.push(chunk);
  }
  return parsePaths(request.headers['content-type'] ?? '', Buffer.concat(chunks).toString('utf8'));
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
