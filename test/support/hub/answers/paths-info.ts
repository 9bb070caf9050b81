import type { IncomingMessage } from 'node:http';
import { jsonReply, type Reply } from '../wire/reply.ts';
import type { AskedAt } from './context.ts';
import { directoryEntry, expanded, fileEntry } from './entry.ts';
import { badRequest } from './hub-error.ts';

interface Wanted {
  readonly paths: readonly string[];
  readonly expand: boolean;
}

/** `POST /api/TYPEs/REPO/paths-info/REVISION`, form or JSON; unknown paths are left out (protocol 1.4). */
export async function pathsInfoReply({ commit, exchange }: AskedAt): Promise<Reply> {
  const wanted = parseBody(await bodyOf(exchange.request), exchange.request.headers['content-type'] ?? '');
  if (wanted === undefined) return badRequest('"paths" must be an array');
  const entries = [];
  for (const path of wanted.paths) {
    const file = commit.files.get(path);
    const directory = commit.directories.get(path);
    const entry = file ? await fileEntry(file) : directory && directoryEntry(path, directory);
    if (entry) entries.push(wanted.expand ? expanded(entry, commit) : entry);
  }
  return jsonReply(200, entries);
}

function parseBody(text: string, type: string): Wanted | undefined {
  if (!type.includes('json')) {
    const form = new URLSearchParams(text);
    return { paths: form.getAll('paths'), expand: ['true', 'True'].includes(form.get('expand') ?? '') };
  }
  try {
    const { paths, expand } = JSON.parse(text) as { paths?: unknown; expand?: unknown };
    return Array.isArray(paths) ? { paths: paths.map(String), expand: expand === true } : undefined;
  } catch {
    return undefined;
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString('utf8');
}
