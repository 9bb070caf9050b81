import type { IncomingMessage, ServerResponse } from 'node:http';
import { startFront } from './front.ts';
import { blobOf, type PushedModel } from './registry/model.ts';
import type { TestServer } from './server.ts';

export interface HubAsRegistry {
  /** Of the hub behind it. */
  readonly hub: string;
  readonly repo: string;
  /** By tag: a quantisation, or `latest`. */
  readonly models: Readonly<Record<string, PushedModel>>;
  /** By digest: the file of the repository that a blob is. All others are made by the Hub. */
  readonly files: Readonly<Record<string, string>>;
  /** Only with this token. */
  readonly token?: string;
}

export interface HubFront extends TestServer {
  /** Requests for `/v2`, as method and path, with the kind of the credential. */
  readonly asked: readonly { readonly target: string; readonly authorization: string | undefined }[];
}

/** A hub with the `/v2` of the real one, for Ollama (ollama-registry.md section 9). */
export async function startHubAsRegistry(options: HubAsRegistry): Promise<HubFront> {
  const asked: { target: string; authorization: string | undefined }[] = [];
  const server = await startFront(options.hub, (incoming, response) => {
    const target = incoming.url ?? '';
    if (!target.startsWith('/v2/')) return false;
    asked.push({ target: `${incoming.method} ${target}`, authorization: incoming.headers.authorization });
    void answer(options, incoming, response);
    return true;
  });
  return Object.assign(server, { asked });
}

async function answer(
  { repo, models, files, token }: HubAsRegistry,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<unknown> {
  const [, id, kind, reference = ''] =
    /^\/v2\/(.+)\/(manifests|blobs)\/([^/?]+)/.exec(incoming.url ?? '') ?? [];
  const { authorization } = incoming.headers;
  if (id !== repo || (token !== undefined && authorization !== `Bearer ${token}`)) {
    const realm = `Basic realm="https://huggingface.co/api/models/${repo}/ssh-auth"`;
    response.writeHead(401, { 'www-authenticate': realm, 'x-error-code': 'GatedRepo' });
    return response.end('{"error":"Access is restricted"}');
  }
  if (kind === 'manifests') {
    const model = Object.entries(models).find(([tag]) => tag.toLowerCase() === reference.toLowerCase())?.[1];
    if (model === undefined) {
      response.writeHead(400, { 'content-type': 'application/json' });
      return response.end(
        '{"error":"The specified tag is not a valid quantization scheme. Please use another tag"}',
      );
    }
    response.writeHead(200, { 'content-type': 'application/json', vary: 'Origin,User-Agent' });
    return response.end(model.manifest);
  }
  const file = files[reference];
  // The range of the request spoils the address behind it: no client may get the weights this way.
  if (file !== undefined) return response.writeHead(307, { location: `/${repo}/resolve/main/${file}` }).end();
  const model = Object.values(models).find(({ blobs }) => blobs.has(reference));
  if (model === undefined) return response.writeHead(404).end();
  const content = await blobOf(model, reference);
  const range = /^bytes=(\d+)-(\d+)$/.exec(incoming.headers.range ?? '');
  if (range === null) return response.writeHead(200, { 'content-length': content.length }).end(content);
  const [start, end] = [Number(range[1]), Math.min(content.length, Number(range[2]) + 1)];
  response.writeHead(206, {
    'content-length': end - start,
    'content-range': `bytes ${start}-${end - 1}/${content.length}`,
    location: '?__sign=abc',
  });
  return response.end(content.subarray(start, end));
}
