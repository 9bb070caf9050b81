import { discard } from '../../http/body.ts';
import type { HttpResponse } from '../../http/client.ts';
import { parseContentRange } from '../../http/range.ts';
import { expiry } from '../../http/url.ts';
import { FetchError } from '../../model/error.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import type { HttpLocation } from '../location.ts';
import type { RegistryConnection } from './connection.ts';
import { layerName } from './layer-files.ts';
import { layerMissing } from './registry-error.ts';

/** A request for one byte: its Content-Range has the size of the blob. */
const FIRST_BYTE = { range: 'bytes=0-0' };
/** How servers refuse a Range. */
const WITHOUT_RANGES: ReadonlySet<number> = new Set([400, 416, 501]);
/** What the manifest says of a blob. */
type BlobFile = RemoteFile & { readonly digest: NonNullable<RemoteFile['digest']> };

/**
 * Where the bytes of a blob are: the storage that the registry redirects to, or the registry itself. With `mustCheck`
 * the size there is compared with that of the manifest. Throws NOT_FOUND for a missing blob, INTEGRITY for a wrong
 * size.
 */
export async function locateBlob(
  connection: RegistryConnection,
  file: BlobFile,
  mustCheck: boolean,
  signal: AbortSignal,
): Promise<HttpLocation> {
  const layer = layerName(file.path, file.digest.hex);
  const subject = connection.subject(file.path, { layer });
  const address = connection.address('blobs', `sha256:${file.digest.hex}`);
  // The first redirect that does not lead to another such question names the location. A GET, because HEAD may be
  // answered without the redirect.
  const ask = (headers: Readonly<Record<string, string>>) =>
    connection.send({ address, subject, headers, follows: (_, next) => isQuestion(next) }, signal);
  let found = connection.servesBlobs ? await ask(FIRST_BYTE) : undefined;
  // Bare, because a Range would bind the address of a hub on the way to that range.
  if (found === undefined || found.kind === 'redirect' || WITHOUT_RANGES.has(found.response.status)) {
    if (found?.kind === 'answer') discard(found.response);
    found = await ask({});
  }
  connection.servesBlobs = found.kind === 'answer' && found.response.status < 300;
  if (found.kind === 'redirect') {
    if (mustCheck) await checkStorage(connection, file, found.address, signal);
    return location(connection, found.address);
  }
  const { response } = found;
  if (response.status >= 400) throw await connection.refusalOf(response, subject, signal);
  checkSize(response, file, layer);
  discard(response);
  return location(connection, found.address);
}

/** Another name of the registry, such as `hf.co`, or a hub that knows the location. */
function isQuestion(next: string): boolean {
  const { pathname } = new URL(next);
  return pathname.startsWith('/v2/') || pathname.includes('/resolve/');
}

/** A refusal may concern this request only, so only a definite answer counts. */
async function checkStorage(
  connection: RegistryConnection,
  file: BlobFile,
  address: string,
  signal: AbortSignal,
): Promise<void> {
  const layer = layerName(file.path, file.digest.hex);
  const subject = connection.subject(file.path, { layer });
  const { response } = await connection.send({ address, subject, headers: FIRST_BYTE }, signal);
  const { status } = response;
  discard(response);
  if (status === 404 || status === 410) throw layerMissing(subject, status);
  if (status < 300) checkSize(response, file, layer);
}

function checkSize(response: HttpResponse, file: RemoteFile, layer: string): void {
  const size = totalOf(response);
  if (size === undefined || size === file.size) return;
  response.body.destroy();
  const { host } = response.url;
  throw new FetchError(
    'INTEGRITY',
    `the layer ${layer} has ${size} bytes at ${host}, and ${file.size} in the manifest`,
    {
      hint: 'The registry or its storage is damaged, or a cache on the way is: try again later, or tell the publisher.',
    },
  );
}

/** The size of the whole blob, if the response contains it. */
function totalOf({ status, headers }: HttpResponse): number | undefined {
  if (status === 206) return parseContentRange(headers['content-range'])?.total;
  const length = headers['content-length'];
  const isPlain = (headers['content-encoding'] ?? 'identity') === 'identity';
  const isWhole = status === 200 && isPlain && headers['content-range'] === undefined;
  return isWhole && length !== undefined && /^\d{1,16}$/.test(length) ? Number(length) : undefined;
}

function location({ authorize }: RegistryConnection, address: string): HttpLocation {
  const url = new URL(address);
  const value = authorize(url);
  return {
    kind: 'http',
    url: address,
    authorization: value === undefined ? undefined : { origin: url.origin, value },
    expiresAt: expiry(url),
    ranges: 'any',
  };
}
