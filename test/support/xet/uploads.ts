import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { jsonReply, type Reply, textReply } from '../hub/wire/reply.ts';
import { parseShard, type ShardFile } from './shard.ts';
import { parseXorb, type StoredXorb } from './xorb.ts';

/** Where uploads go. */
export interface UploadTarget {
  readonly xorbs: Map<string, StoredXorb>;
  readonly files: Map<string, ShardFile>;
  readonly chunkHashes: Map<string, readonly string[]>;
}

interface Grant {
  readonly xorb: string;
  body: Buffer | undefined;
}

/** The routes by which the official clients fill a content store, of 1.8 and of the versions before it. */
export class Uploads {
  readonly #target: UploadTarget;
  readonly #origin: () => string;
  readonly #grants = new Map<string, Grant>();

  /** `origin`: the one that grants lead to. */
  constructor(target: UploadTarget, origin: () => string) {
    this.#target = target;
    this.#origin = origin;
  }

  /** Undefined for a path that means nothing here. */
  async reply(request: IncomingMessage, path: string): Promise<Reply | undefined> {
    const [, xorb = ''] = /^\/v1\/(?:xorbs|xorb-grants)\/default\/([0-9a-f]{64})$/.exec(path) ?? [];
    if (path.startsWith('/v1/xorb-grants/') && xorb !== '') return this.#grant(xorb);
    if (path.startsWith('/v1/xorbs/') && xorb !== '') {
      const known = this.#target.xorbs.has(xorb);
      this.#target.xorbs.set(xorb, parseXorb(xorb, await bodyOf(request)));
      return jsonReply(200, { was_inserted: !known });
    }
    const [, id = ''] = /^\/v1\/xorb-commits\/default\/[0-9a-f]{64}\/grant\/([^/]+)$/.exec(path) ?? [];
    if (id !== '') return this.#commit(id);
    if (path === '/v1/shards' || path === '/v2/shards') {
      this.#enter(await bodyOf(request));
      return path === '/v1/shards'
        ? jsonReply(200, { result: 1 })
        : textReply(200, '{"type":"committing","stage":"uploading"}\n{"type":"result"}\n');
    }
    return undefined;
  }

  /** The body of a granted upload; it comes to the storage and carries no token. */
  async put(request: IncomingMessage, id: string): Promise<Reply> {
    const grant = this.#grants.get(id);
    if (grant === undefined) return textReply(403, 'AccessDenied');
    grant.body = await bodyOf(request);
    return textReply(200, '');
  }

  #grant(xorb: string): Reply {
    if (this.#target.xorbs.has(xorb)) return jsonReply(200, {});
    const id = randomUUID();
    this.#grants.set(id, { xorb, body: undefined });
    const headers = { 'x-upload-grant': id };
    return jsonReply(201, { id, method: 'PUT', url: `${this.#origin()}/uploads/${id}`, headers });
  }

  #commit(id: string): Reply {
    const grant = this.#grants.get(id);
    if (grant?.body === undefined) return textReply(404, 'no upload for this grant');
    this.#target.xorbs.set(grant.xorb, parseXorb(grant.xorb, grant.body));
    this.#grants.delete(id);
    return jsonReply(200, {});
  }

  #enter(body: Buffer): void {
    const shard = parseShard(body);
    for (const file of shard.files) this.#target.files.set(file.xetHash, file);
    for (const [xorb, hashes] of shard.xorbs) this.#target.chunkHashes.set(xorb, hashes);
  }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}
