import { parseFlatRanges } from '../../model/flat-ranges.ts';
import { isRecord } from '../../model/json.ts';
import { isNode } from '../../model/node-name.ts';
import type { PeerFile, PeerStatus } from '../source.ts';

/** Of an answer: enough for ten thousand files and a terabyte. */
export const MAX_STATUS_BYTES: number = 8 * 1024 * 1024;
/** A fleet that names more runs of its own is not one. */
const MAX_NODES = 1000;

/** What a peer says that it has of a revision. Undefined if it cannot be understood: nothing of it is believed, only used. */
export function parseStatus(text: string): PeerStatus | 'complete' | undefined {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(document) || document['version'] !== 1) return undefined;
  const { complete, node, nodes, files } = document;
  if (complete === true) return 'complete';
  if (!isNode(node) || !isRecord(nodes) || !Array.isArray(files)) return undefined;
  const known = Object.entries(nodes)
    .filter((entry): entry is [string, number] => isNode(entry[0]) && Number.isSafeInteger(entry[1]))
    .slice(0, MAX_NODES);
  const listed = files.flatMap((entry) => fileOf(entry) ?? []);
  return { node, nodes: new Map(known), files: new Map(listed.map((file) => [file.path, file])) };
}

/** `[path, true]`, or `[path, written, fetching]`. */
function fileOf(entry: unknown): (PeerFile & { readonly path: string }) | undefined {
  if (!Array.isArray(entry)) return undefined;
  const [path, written, fetching = []] = entry as unknown[];
  if (typeof path !== 'string') return undefined;
  if (written === true) return { path, written: 'all', fetching: [] };
  const [has, gets] = [parseFlatRanges(written), parseFlatRanges(fetching)];
  return has === undefined || gets === undefined ? undefined : { path, written: has, fetching: gets };
}
