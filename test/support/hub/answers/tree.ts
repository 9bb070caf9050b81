import { sha1Text } from '../content/digest.ts';
import type { Commit } from '../repositories/commit.ts';
import { jsonReply, type Reply } from '../wire/reply.ts';
import { type AskedAt, apiPath } from './context.ts';
import { directoryEntry, expanded, fileEntry, type TreeEntry } from './entry.ts';
import { badRequest, entryMissing } from './hub-error.ts';

/** Entries of a page with `expand`, unless told and at most (field facts 3.1). */
const USUAL_EXPANDED = 50;
const MAX_EXPANDED = 100;

/** `GET /api/TYPEs/REPO/tree/REVISION[/DIRECTORY]` (protocol 1.3). */
export async function treeReply(asked: AskedAt): Promise<Reply> {
  const { commit, route, settings } = asked;
  const directory = route.path.replace(/\/+$/, '');
  if (directory !== '' && !commit.directories.has(directory)) return entryMissing('json', commit);

  const expand = isTrue(route.query.get('expand'));
  const names = entriesBelow(commit, directory, isTrue(route.query.get('recursive')));
  const most = Math.min(settings.pageSize, expand ? MAX_EXPANDED : Number.POSITIVE_INFINITY);
  const usual = Math.min(most, expand ? USUAL_EXPANDED : most);
  const limit = Math.min(Number(route.query.get('limit') ?? usual), most);
  if (!Number.isInteger(limit) || limit < 1) return badRequest('"limit" must be a positive number');
  const tree = commit.directories.get(directory) ?? commit.id;
  const from = startOf(names, tree, route.query.get('cursor'));
  if (from === undefined) return badRequest('Invalid cursor');

  const page = names.slice(from, from + limit);
  const entries = await Promise.all(page.map((path) => entryOf(commit, path)));
  const body = expand ? entries.map((entry) => expanded(entry, commit)) : entries;
  const last = page.at(-1);
  const more = last !== undefined && from + limit < names.length;
  return jsonReply(200, body, more ? { Link: nextLink(asked, cursorOf(last, tree, limit), limit) } : {});
}

/** The Hub promises no order; this one is stable for a commit and looks like none. */
function entriesBelow(commit: Commit, directory: string, recursive: boolean): string[] {
  const prefix = directory === '' ? '' : `${directory}/`;
  return [...commit.files.keys(), ...commit.directories.keys()]
    .filter((path) => path.startsWith(prefix) && (recursive || !path.slice(prefix.length).includes('/')))
    .map((path) => ({ path, order: sha1Text(`${commit.id} ${path}`) }))
    .sort((left, right) => (left.order < right.order ? -1 : 1))
    .map(({ path }) => path);
}

function entryOf(commit: Commit, path: string): Promise<TreeEntry> | TreeEntry {
  const file = commit.files.get(path);
  return file === undefined ? directoryEntry(path, commit.directories.get(path) ?? '') : fileEntry(file);
}

/** As recorded: base64 of base64 of JSON and the limit. It belongs to one tree (field facts 3.2). */
function cursorOf(last: string, tree: string, limit: number): string {
  const place = Buffer.from(JSON.stringify({ file_name: last, tree_oid: tree })).toString('base64');
  return Buffer.from(`${place}:${limit}`).toString('base64');
}

/** Past the end is an empty page; nonsense, and the cursor of another tree, is an error. */
function startOf(names: readonly string[], tree: string, cursor: string | null): number | undefined {
  if (cursor === null) return 0;
  try {
    const [place = ''] = Buffer.from(cursor, 'base64').toString('utf8').split(':');
    const { file_name: name, tree_oid: of } = JSON.parse(
      Buffer.from(place, 'base64').toString('utf8'),
    ) as Record<string, unknown>;
    if (of !== tree) return undefined;
    const index = names.indexOf(String(name));
    return index < 0 ? names.length : index + 1;
  } catch {
    return undefined;
  }
}

/** Absolute, with every parameter of the request (protocol 1.3). */
function nextLink(
  { repository, route, exchange, settings, hubOrigin }: AskedAt,
  cursor: string,
  limit: number,
): string {
  const [path = ''] = exchange.target.split('?');
  const parameters = new URLSearchParams(route.query);
  parameters.set('limit', String(limit));
  parameters.set('cursor', cursor);
  const origin = settings.leakLinks ? 'https://huggingface.co' : hubOrigin;
  const tail = path.slice(path.indexOf('/tree/'));
  return `<${origin}/api/${apiPath(repository)}${tail}?${parameters}>; rel="next"`;
}

function isTrue(value: string | null): boolean {
  return value === 'true' || value === '1' || value === 'True';
}
