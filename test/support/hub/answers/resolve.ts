import { bytes } from '../content/content.ts';
import { gitSha1, pointerText, sha256 } from '../content/digest.ts';
import { type HubFile, xetHashOf } from '../repositories/file.ts';
import { contentReply } from '../wire/range.ts';
import { bodyReply, emptyReply, type Reply, textReply, withHeaders } from '../wire/reply.ts';
import { type AskedAt, apiPath, casUrl, encodePath } from './context.ts';
import { pointerId } from './entry.ts';
import { entryMissing } from './hub-error.ts';

/** `/resolve/REVISION/PATH`: metadata here, bytes one hop further (protocol 2.1 and 2.2). */
export async function resolveReply(asked: AskedAt): Promise<Reply> {
  const { commit, route, settings, exchange } = asked;
  const file = commit.files.get(route.path);
  if (file === undefined) return entryMissing('text', commit);
  if (settings.mirrorOf !== undefined && file.storage !== 'git') return toOriginal(asked, settings.mirrorOf);
  const common = {
    'X-Repo-Commit': commit.id,
    'Accept-Ranges': 'bytes',
    'Content-Disposition': disposition(route.path),
    'Content-Security-Policy': "default-src 'none'; sandbox",
    Vary: 'Origin, Accept',
  };
  const digest = file.storage === 'git' ? await gitSha1(file.content) : await sha256(file.content);
  const etag = `"${digest}"`;
  if (exchange.request.headers['if-none-match'] === etag) return emptyReply(304, { ...common, ETag: etag });
  if (settings.directAnswers) {
    const headers = { ...common, ETag: etag, 'Content-Type': contentType(route.path) };
    return contentReply(file.content, exchange.request.headers.range, headers);
  }
  return file.storage === 'git' ? toCache(asked, etag, common) : toStorage(asked, file, etag, common);
}

/** Absolute, bare: neither commit nor size nor hash (field facts 7, hf-mirror.com). */
function toOriginal({ target }: AskedAt, original: string): Reply {
  const location = `${original}${target}`;
  return textReply(308, `Permanent Redirect. Redirecting to ${location}`, { Location: location });
}

function toCache(
  { commit, repository, target, route }: AskedAt,
  etag: string,
  common: Record<string, string>,
): Reply {
  const [path = ''] = target.split('?');
  const query = `${encodeURIComponent(path)}=&etag=${encodeURIComponent(etag)}`;
  const location = `/api/resolve-cache/${apiPath(repository)}/${commit.id}/${encodePath(route.path)}?${query}`;
  return textReply(307, `Temporary Redirect. Redirecting to ${location}`, {
    ...common,
    Location: location,
    'X-Linked-Etag': etag,
    'X-Hub-Cache': 'MISS',
  });
}

function toStorage(asked: AskedAt, file: HubFile, etag: string, common: Record<string, string>): Reply {
  const { commit, repository, route, hubOrigin, exchange } = asked;
  const hash = xetHashOf(file);
  const headers: Record<string, string> = {
    ...common,
    'X-Linked-Size': String(file.content.size),
    'X-Linked-Etag': etag,
    'Cache-Control': 'no-store',
  };
  if (file.storage === 'xet') {
    headers['X-Xet-Hash'] = hash;
    headers['Link'] =
      `<${hubOrigin}/api/${apiPath(repository)}/xet-read-token/${commit.id}>; rel="xet-auth", ` +
      `<${casUrl(asked)}/v1/reconstructions/${hash}>; rel="xet-reconstruction-info"`;
    // Clients that speak Xet ask for its description instead of a redirect.
    if (exchange.request.headers.accept?.includes('application/vnd.xet-fileinfo+json')) {
      const type = { 'Content-Type': 'application/vnd.xet-fileinfo+json' };
      return withHeaders(bodyReply(200, bytes(JSON.stringify({ hash })), headers), type);
    }
  }
  const location = asked.signedUrl(file, disposition(route.path));
  return textReply(302, `Found. Redirecting to ${location}`, { ...headers, Location: location });
}

/** `/api/resolve-cache/TYPEs/REPO/COMMIT/PATH`: the bytes of a small file. */
export async function resolveCacheReply({ commit, route, exchange }: AskedAt): Promise<Reply> {
  const file = commit.files.get(route.path);
  if (file === undefined) return entryMissing('text', commit);
  return contentReply(file.content, exchange.request.headers.range, {
    'Content-Type': contentType(route.path),
    ETag: `"${await gitSha1(file.content)}"`,
    'X-Repo-Commit': commit.id,
    'Content-Disposition': disposition(route.path),
    Vary: 'Origin',
  });
}

/** `/raw/REVISION/PATH`: what git itself holds, which is a pointer for everything big (protocol 1.5). */
export async function rawReply({ commit, route, exchange }: AskedAt): Promise<Reply> {
  const file = commit.files.get(route.path);
  if (file === undefined) return entryMissing('text', commit);
  const pointer = file.storage === 'git' ? undefined : await pointerText(file.content);
  return contentReply(pointer === undefined ? file.content : bytes(pointer), exchange.request.headers.range, {
    'Content-Type': 'text/plain; charset=utf-8',
    ETag: `"${pointer === undefined ? await gitSha1(file.content) : pointerId(pointer)}"`,
    'X-Repo-Commit': commit.id,
  });
}

const TEXT = /\.(json|jsonl|txt|md|py|yaml|yml|csv|xml|html|js|gitattributes)$/i;

/** Small text files are all text/plain to the Hub: it shows them, it never runs them. */
function contentType(path: string): string {
  return TEXT.test(path) ? 'text/plain; charset=utf-8' : 'application/octet-stream';
}

function disposition(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const plain = name.replace(/[^\x20-\x7e]|["\\]/g, '_');
  return `inline; filename*=UTF-8''${encodeURIComponent(name)}; filename="${plain}";`;
}
